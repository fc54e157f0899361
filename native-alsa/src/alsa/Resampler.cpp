#include "Resampler.h"

#include <functional>

#include "../views.h"

namespace kvm_audio {

namespace {

// What TypeScript's limits say, too. Speex counts in int32.
constexpr int kFramesMax = 1 << 20;

/** A negative number or none at all becomes 0, which Speex refuses. */
spx_uint32_t unsignedOr0(const Napi::Value& value) {
  const int32_t number = intOr(value, 0);
  return number > 0 ? static_cast<spx_uint32_t>(number) : 0;
}

bool overlap(const int16_t* a, size_t aLength, const int16_t* b, size_t bLength) {
  const std::less<const int16_t*> before;
  return aLength > 0 && bLength > 0 && before(a, b + bLength) && before(b, a + aLength);
}

}  // namespace

Napi::Function Resampler::define(Napi::Env env) {
  return DefineClass(env, "Resampler",
                     {
                         InstanceMethod<&Resampler::process>("process"),
                         InstanceMethod<&Resampler::setRatio>("setRatio"),
                         InstanceMethod<&Resampler::inputLatency>("inputLatency"),
                         InstanceMethod<&Resampler::outputLatency>("outputLatency"),
                         InstanceMethod<&Resampler::reset>("reset"),
                         InstanceMethod<&Resampler::close>("close"),
                     });
}

Resampler::Resampler(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<Resampler>(info),
      channels_(unsignedOr0(info[0])),
      inputRate_(unsignedOr0(info[1])),
      outputRate_(unsignedOr0(info[2])),
      quality_(intOr(info[3], -1)) {
  const int code = create();
  if (code == RESAMPLER_ERR_SUCCESS) return;
  Napi::Error error = Napi::Error::New(info.Env(), speex_resampler_strerror(code));
  error.Set("speexCode", Napi::Number::New(info.Env(), code));
  error.ThrowAsJavaScriptException();
}

int Resampler::create() {
  int code = RESAMPLER_ERR_SUCCESS;
  std::unique_ptr<SpeexResamplerState, Destroy> state(
      speex_resampler_init(channels_, inputRate_, outputRate_, quality_, &code));
  if (code != RESAMPLER_ERR_SUCCESS) return code;
  if (!state) return RESAMPLER_ERR_ALLOC_FAILED;
  state_ = std::move(state);
  return RESAMPLER_ERR_SUCCESS;
}

Napi::Value Resampler::process(const Napi::CallbackInfo& info) {
  const auto answer = [&](int code) { return Napi::Number::New(info.Env(), code); };
  if (!state_) return answer(RESAMPLER_ERR_BAD_STATE);
  const auto pcm = pcmView(info[0]);
  const int frames = intOr(info[1], -1);
  const auto out = pcmView(info[2]);
  const auto counts = viewOf<int32_t>(info[3], napi_int32_array);
  if (!pcm.ok || !out.ok || counts.length < 2 || frames < 0 || frames > kFramesMax)
    return answer(RESAMPLER_ERR_INVALID_ARG);
  const size_t samples = static_cast<size_t>(frames) * channels_;
  if (samples > pcm.length) return answer(RESAMPLER_ERR_INVALID_ARG);
  // Speex knows this code but does not look.
  if (overlap(pcm.data, samples, out.data, out.length)) return answer(RESAMPLER_ERR_PTR_OVERLAP);
  const size_t room = out.length / channels_;
  auto consumed = static_cast<spx_uint32_t>(frames);
  auto produced = static_cast<spx_uint32_t>(room < kFramesMax ? room : kFramesMax);
  int code = RESAMPLER_ERR_SUCCESS;
  if (consumed > 0 && produced > 0) {
    code = speex_resampler_process_interleaved_int(state_.get(), pcm.data, &consumed, out.data,
                                                   &produced);
  } else {
    // Speex would put an array of no length on its stack.
    consumed = produced = 0;
  }
  counts.data[0] = static_cast<int32_t>(consumed);
  counts.data[1] = static_cast<int32_t>(produced);
  return answer(code);
}

int Resampler::resample(const int16_t* pcm, int frames, int16_t* out, int room) {
  auto consumed = static_cast<spx_uint32_t>(frames);
  auto produced = static_cast<spx_uint32_t>(room);
  if (!state_ || speex_resampler_process_interleaved_int(state_.get(), pcm, &consumed, out,
                                                         &produced) != RESAMPLER_ERR_SUCCESS)
    return -1;
  return consumed == static_cast<spx_uint32_t>(frames) ? static_cast<int>(produced) : -1;
}

Napi::Value Resampler::setRatio(const Napi::CallbackInfo& info) {
  const auto answer = [&](int code) { return Napi::Number::New(info.Env(), code); };
  if (!state_) return answer(RESAMPLER_ERR_BAD_STATE);
  const auto set = [&](const Napi::Value& numerator, const Napi::Value& denominator) {
    return speex_resampler_set_rate_frac(state_.get(), unsignedOr0(numerator),
                                         unsignedOr0(denominator), inputRate_, outputRate_);
  };
  const int code = set(info[0], info[1]);
  if (code != RESAMPLER_ERR_SUCCESS) return answer(code);
  return answer(set(info[2], info[3]));
}

Napi::Value Resampler::inputLatency(const Napi::CallbackInfo& info) {
  const int frames = state_ ? speex_resampler_get_input_latency(state_.get()) : 0;
  return Napi::Number::New(info.Env(), frames);
}

Napi::Value Resampler::outputLatency(const Napi::CallbackInfo& info) {
  const int frames = state_ ? speex_resampler_get_output_latency(state_.get()) : 0;
  return Napi::Number::New(info.Env(), frames);
}

// Not speex_resampler_reset_mem(): in SpeexDSP 1.2.1 it clears as many samples as all channels
// have, but from the start of the first, so that of two channels the second keeps its past.
Napi::Value Resampler::reset(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), state_ ? create() : RESAMPLER_ERR_BAD_STATE);
}

Napi::Value Resampler::close(const Napi::CallbackInfo& info) {
  state_.reset();
  return info.Env().Undefined();
}

}  // namespace kvm_audio
