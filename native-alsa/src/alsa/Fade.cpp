#include "Fade.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace kvm_audio {

namespace {

constexpr unsigned kFadesPerSecond = 400;  // 2.5 ms each

std::size_t samples(int32_t frames, unsigned channels) {
  return static_cast<std::size_t>(frames) * channels;
}

}  // namespace

Fade::Fade(unsigned rate, unsigned channels)
    : channels_(channels),
      frames_(static_cast<int32_t>(rate / kFadesPerSecond)),
      rising_(static_cast<std::size_t>(frames_)),
      history_(samples(frames_, channels)),
      faded_(samples(frames_, channels)) {
  for (int32_t i = 0; i < frames_; i++) {
    const double phase = (i + 0.5) / frames_;
    rising_[static_cast<std::size_t>(i)] = static_cast<float>(0.5 - 0.5 * std::cos(M_PI * phase));
  }
}

void Fade::remember(const int16_t* played, int32_t frames) {
  const int32_t kept = std::min(frames, frames_);
  const std::size_t bytes = samples(kept, channels_) * sizeof(int16_t);
  const std::size_t older = history_.size() - samples(kept, channels_);
  std::memmove(history_.data(), history_.data() + samples(kept, channels_),
               older * sizeof(int16_t));
  std::memcpy(history_.data() + older, played + samples(frames - kept, channels_), bytes);
}

void Fade::forget() { std::fill(history_.begin(), history_.end(), int16_t{0}); }

const int16_t* Fade::out() {
  for (int32_t i = 0; i < frames_; i++) {
    const std::size_t from = samples(frames_ - 1 - i, channels_);
    const float gain = rising_[static_cast<std::size_t>(frames_ - 1 - i)];
    for (unsigned channel = 0; channel < channels_; channel++) {
      faded_[samples(i, channels_) + channel] =
          static_cast<int16_t>(std::lrintf(static_cast<float>(history_[from + channel]) * gain));
    }
  }
  return faded_.data();
}

const int16_t* Fade::in(const int16_t* in, int32_t at, int32_t frames) {
  for (int32_t i = 0; i < frames; i++) {
    const float gain = rising_[static_cast<std::size_t>(at + i)];
    for (unsigned channel = 0; channel < channels_; channel++) {
      const std::size_t sample = samples(i, channels_) + channel;
      faded_[sample] = static_cast<int16_t>(std::lrintf(static_cast<float>(in[sample]) * gain));
    }
  }
  return faded_.data();
}

}  // namespace kvm_audio
