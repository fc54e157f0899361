#pragma once

#include <speex/speex_resampler.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace kvm_audio {

// SpeexDSP from one rate to another, for interleaved floats, in step with two positions: output
// frame n is the sound of input frame n × inputRate / outputRate. So the filter's look-ahead adds
// nothing to the way of the sound; heldFrames() of input wait for it instead. Allocates in open()
// only. One resampler for each channel, because speex_resampler_reset_mem() of SpeexDSP 1.2.1
// leaves a second channel its past.
class RateConverter {
 public:
  struct Counts {
    std::size_t consumed;
    std::size_t produced;
  };

  // Returns false when out of memory. Before it the rates are the same: nothing is held.
  bool open(unsigned inputRate, unsigned outputRate, unsigned channels);
  bool converts() const { return !channels_.empty(); }
  // No sound is remembered, both positions are 0.
  void reset();

  // Takes what the room for the output allows; what it does not take is to be offered again.
  Counts process(const float* in, std::size_t inFrames, float* out, std::size_t outFrames);

  int64_t heldFrames() const { return heldFrames_; }
  // How many input frames more the next `frames` of output take, and the reverse.
  int64_t inputFor(int64_t frames) const;
  int64_t outputFor(int64_t frames) const;
  // Where the next frame of output lies, in frames of input after the last one taken.
  double nextAhead() const;

 private:
  struct Destroy {
    void operator()(SpeexResamplerState* state) const { speex_resampler_destroy(state); }
  };

  std::vector<std::unique_ptr<SpeexResamplerState, Destroy>> channels_;
  int64_t inputRate_ = 1;  // without their common factors
  int64_t outputRate_ = 1;
  int64_t heldFrames_ = 0;
  int64_t consumed_ = 0;
  int64_t produced_ = 0;
};

}  // namespace kvm_audio
