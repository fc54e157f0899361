#include "RateConverter.h"

#include <algorithm>
#include <numeric>

namespace kvm_audio {

namespace {

// As the pipelines' own resampler: docs/resampler.md.
constexpr int kQuality = 4;

int64_t ceilDivide(int64_t value, int64_t by) { return (value + by - 1) / by; }

}  // namespace

bool RateConverter::open(unsigned inputRate, unsigned outputRate, unsigned channels) {
  const unsigned common = std::gcd(inputRate, outputRate);
  inputRate_ = inputRate / common;
  outputRate_ = outputRate / common;
  for (unsigned i = 0; i < channels; i++) {
    channels_.emplace_back(speex_resampler_init(1, inputRate, outputRate, kQuality, nullptr));
    if (!channels_.back()) return false;
    speex_resampler_set_input_stride(channels_.back().get(), channels);
    speex_resampler_set_output_stride(channels_.back().get(), channels);
  }
  heldFrames_ = speex_resampler_get_input_latency(channels_.front().get());
  reset();
  return true;
}

void RateConverter::reset() {
  consumed_ = 0;
  produced_ = 0;
  for (const auto& channel : channels_) {
    speex_resampler_reset_mem(channel.get());
    speex_resampler_skip_zeros(channel.get());
  }
}

RateConverter::Counts RateConverter::process(const float* in, std::size_t inFrames, float* out,
                                             std::size_t outFrames) {
  auto consumed = static_cast<spx_uint32_t>(inFrames);
  auto produced = static_cast<spx_uint32_t>(outFrames);
  // Speex would put an array of no length on its stack.
  if (inFrames == 0 || outFrames == 0) return {0, 0};
  for (std::size_t i = 0; i < channels_.size(); i++) {
    consumed = static_cast<spx_uint32_t>(inFrames);
    produced = static_cast<spx_uint32_t>(outFrames);
    speex_resampler_process_float(channels_[i].get(), 0, in + i, &consumed, out + i, &produced);
  }
  consumed_ += consumed;
  produced_ += produced;
  return {consumed, produced};
}

// Speex gives output frame n once input frame floor(n × inputRate / outputRate) + held is there.
int64_t RateConverter::inputFor(int64_t frames) const {
  if (frames <= 0) return 0;
  const int64_t last = produced_ + frames - 1;
  return std::max<int64_t>(0, last * inputRate_ / outputRate_ + heldFrames_ + 1 - consumed_);
}

int64_t RateConverter::outputFor(int64_t frames) const {
  const int64_t input = consumed_ + frames - heldFrames_;
  if (input <= 0) return 0;
  return std::max<int64_t>(0, ceilDivide(input * outputRate_, inputRate_) - produced_);
}

double RateConverter::nextAhead() const {
  const int64_t ahead = produced_ * inputRate_ - consumed_ * outputRate_;
  return static_cast<double>(ahead) / static_cast<double>(outputRate_);
}

}  // namespace kvm_audio
