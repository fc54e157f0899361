#pragma once

#include <cstdint>
#include <vector>

namespace kvm_audio {

// Covers a gap in what is played: the sound before it is mirrored and faded out, the sound after
// it is faded in, each over about 2.5 ms. Lengths in frames; allocates only when built.
class Fade {
 public:
  Fade(unsigned rate, unsigned channels);

  int32_t frames() const { return frames_; }
  // Remembers the end of what was played.
  void remember(const int16_t* played, int32_t frames);
  void forget();
  // frames() frames that go on from the last one remembered and end in silence.
  const int16_t* out();
  // The first `frames` of `in`, which begins `at` frames after the gap; at + frames <= frames().
  const int16_t* in(const int16_t* in, int32_t at, int32_t frames);

 private:
  unsigned channels_;
  int32_t frames_;
  std::vector<float> rising_;     // half a cosine from just over 0 to just under 1
  std::vector<int16_t> history_;  // the last frames(), oldest first
  std::vector<int16_t> faded_;
};

}  // namespace kvm_audio
