#include "SampleConverter.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace kvm_audio {

namespace {

// The nearest whole number of `bits` bits.
template <int bits>
int32_t rounded(float value) {
  constexpr double kMax = static_cast<double>((int64_t{1} << (bits - 1)) - 1);
  const double scaled = static_cast<double>(value) * static_cast<double>(int64_t{1} << (bits - 16));
  return static_cast<int32_t>(std::llrint(std::clamp(scaled, -kMax - 1.0, kMax)));
}

// Little-endian samples, whatever the machine is and wherever they lie.
uint32_t loadBytes(const uint8_t* at, int count) {
  uint32_t value = 0;
  for (int i = 0; i < count; i++) value |= static_cast<uint32_t>(at[i]) << (8 * i);
  return value;
}

void storeBytes(uint8_t* at, int count, int32_t value) {
  const auto bits = static_cast<uint32_t>(value);
  for (int i = 0; i < count; i++) at[i] = static_cast<uint8_t>(bits >> (8 * i));
}

// `kBytes` for each sample, of which the low `kBits` count.
template <int kBits, int kStored>
struct Sample {
  static constexpr std::size_t kBytes = kStored;
  static float load(const uint8_t* at) {
    const uint32_t high = loadBytes(at, kStored) << (32 - kBits);
    return static_cast<float>(static_cast<int32_t>(high)) / 65536.0f;
  }
  static void store(uint8_t* at, float value) { storeBytes(at, kStored, rounded<kBits>(value)); }
};

using S16 = Sample<16, 2>;
using S24 = Sample<24, 4>;
using S24Packed = Sample<24, 3>;
using S32 = Sample<32, 4>;

// `use` is called with a sample type, as a value that carries nothing.
template <class Use>
void withFormat(snd_pcm_format_t format, Use use) {
  switch (format) {
    case SND_PCM_FORMAT_S32_LE:
      return use(S32{});
    case SND_PCM_FORMAT_S24_LE:
      return use(S24{});
    case SND_PCM_FORMAT_S24_3LE:
      return use(S24Packed{});
    default:
      return use(S16{});
  }
}

int16_t toS16(float value) { return static_cast<int16_t>(rounded<16>(value)); }

}  // namespace

SampleConverter::SampleConverter(snd_pcm_format_t format, unsigned cardChannels,
                                 unsigned streamChannels)
    : format_(format),
      cardChannels_(cardChannels),
      streamChannels_(streamChannels),
      channels_(std::min({cardChannels, streamChannels, 2u})),
      cardFrameBytes_(cardChannels *
                      static_cast<std::size_t>(snd_pcm_format_physical_width(format) / 8)) {}

void SampleConverter::fromCard(const uint8_t* card, float* to, std::size_t frames) const {
  const bool mixed = channels_ == 1 && cardChannels_ >= 2;
  withFormat(format_, [&](auto sample) {
    using Card = decltype(sample);
    for (std::size_t i = 0; i < frames; i++, card += cardFrameBytes_, to += channels_) {
      to[0] = Card::load(card);
      if (mixed) to[0] = (to[0] + Card::load(card + Card::kBytes)) / 2.0f;
      if (channels_ == 2) to[1] = Card::load(card + Card::kBytes);
    }
  });
}

void SampleConverter::toCard(const float* from, uint8_t* card, std::size_t frames) const {
  const unsigned right = channels_ - 1;
  std::memset(card, 0, frames * cardFrameBytes_);
  withFormat(format_, [&](auto sample) {
    using Card = decltype(sample);
    for (std::size_t i = 0; i < frames; i++, card += cardFrameBytes_, from += channels_) {
      Card::store(card, from[0]);
      if (cardChannels_ >= 2) Card::store(card + Card::kBytes, from[right]);
    }
  });
}

void SampleConverter::fromStream(const int16_t* stream, float* to, std::size_t frames) const {
  if (channels_ == streamChannels_) {
    for (std::size_t i = 0; i < frames * channels_; i++) to[i] = stream[i];
    return;
  }
  for (std::size_t i = 0; i < frames; i++, stream += 2) {
    to[i] = static_cast<float>(stream[0] + stream[1]) / 2.0f;
  }
}

void SampleConverter::toStream(const float* from, int16_t* stream, std::size_t frames) const {
  if (channels_ == streamChannels_) {
    for (std::size_t i = 0; i < frames * channels_; i++) stream[i] = toS16(from[i]);
    return;
  }
  for (std::size_t i = 0; i < frames; i++, stream += 2) stream[0] = stream[1] = toS16(from[i]);
}

}  // namespace kvm_audio
