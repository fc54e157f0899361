#pragma once

#include <cstddef>
#include <cstdint>

#include "CardShape.h"

namespace kvm_audio {

// A card's samples and the stream's, each to and from what lies between: interleaved floats of
// the scale of S16, in as many channels as both sides have (channels()). Mono plays on both sides
// of a stereo card and stereo on a mono card as (L + R) / 2, and the same for what is captured. Of
// a card with more than two channels the first two are used, the others are silent. Rounds to the
// nearest, without an offset, and clips. Holds no memory of sound; allocates nothing.
class SampleConverter {
 public:
  SampleConverter() = default;
  SampleConverter(snd_pcm_format_t format, unsigned cardChannels, unsigned streamChannels);

  unsigned channels() const { return channels_; }
  std::size_t cardFrameBytes() const { return cardFrameBytes_; }

  void fromCard(const uint8_t* card, float* to, std::size_t frames) const;
  void toCard(const float* from, uint8_t* card, std::size_t frames) const;
  void fromStream(const int16_t* stream, float* to, std::size_t frames) const;
  void toStream(const float* from, int16_t* stream, std::size_t frames) const;

 private:
  snd_pcm_format_t format_ = SND_PCM_FORMAT_S16_LE;
  unsigned cardChannels_ = 0;
  unsigned streamChannels_ = 0;
  unsigned channels_ = 0;
  std::size_t cardFrameBytes_ = 0;
};

}  // namespace kvm_audio
