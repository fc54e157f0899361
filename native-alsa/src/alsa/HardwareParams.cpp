#include "HardwareParams.h"

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <iterator>

namespace kvm_audio {

namespace {

// Ascending.
constexpr unsigned kUsualRates[] = {8000,  11025, 12000, 16000, 22050,  24000, 32000,
                                    44100, 48000, 88200, 96000, 176400, 192000};
constexpr unsigned kMultiplesMax = 4;
constexpr unsigned kChannelsMax = 8;
// Without loss first, and of these the one whose samples are whole words.
constexpr snd_pcm_format_t kFormats[] = {SND_PCM_FORMAT_S16_LE, SND_PCM_FORMAT_S32_LE,
                                         SND_PCM_FORMAT_S24_LE, SND_PCM_FORMAT_S24_3LE};

__attribute__((format(printf, 2, 3))) void append(char (&text)[256], const char* format, ...) {
  const std::size_t used = std::strlen(text);
  va_list values;
  va_start(values, format);
  std::vsnprintf(text + used, sizeof text - used, format, values);
  va_end(values);
}

void listFormats(snd_pcm_t* pcm, snd_pcm_hw_params_t* params, char (&text)[256]) {
  for (int format = 0; format <= SND_PCM_FORMAT_LAST; format++) {
    const auto candidate = static_cast<snd_pcm_format_t>(format);
    const char* name = snd_pcm_format_name(candidate);
    if (name != nullptr && snd_pcm_hw_params_test_format(pcm, params, candidate) == 0) {
      append(text, "%s%s", text[0] ? ", " : "", name);
    }
  }
}

}  // namespace

HardwareParams::HardwareParams(snd_pcm_t* pcm, const StreamOptions& options, AlsaCalls& calls)
    : pcm_(pcm), options_(options), calls_(calls) {}

HardwareParams::~HardwareParams() {
  if (params_ != nullptr) snd_pcm_hw_params_free(params_);
}

// Each choice narrows what is left for the next: the dearest to convert comes first. So where the
// card has exactly what is wanted, each step finds it.
int HardwareParams::negotiate(Failure& failure) {
  int error = snd_pcm_hw_params_malloc(&params_);
  if (error < 0) return error;
  error = calls_("snd_pcm_hw_params_any", [this] { return snd_pcm_hw_params_any(pcm_, params_); });
  if (error < 0) return error;
  // What a plug layer would resample shows as what it is.
  calls_("snd_pcm_hw_params_set_rate_resample",
         [this] { return snd_pcm_hw_params_set_rate_resample(pcm_, params_, 0); });
  error = calls_("snd_pcm_hw_params_set_access", [this] {
    return snd_pcm_hw_params_set_access(pcm_, params_, SND_PCM_ACCESS_RW_INTERLEAVED);
  });
  if (error < 0) {
    refuse(failure, error, "interleaved access is refused");
    return error;
  }
  error = chooseRate(failure);
  if (error >= 0) error = chooseChannels(failure);
  if (error >= 0) error = chooseFormat(failure);
  if (error >= 0) error = chooseSizes(failure);
  return error;
}

bool HardwareParams::offersRate(unsigned rate) {
  return snd_pcm_hw_params_test_rate(pcm_, params_, rate, 0) == 0;
}

// A whole multiple loses nothing and is the cheapest to resample (docs/resampler.md: 38 µs for
// 20 ms of 96 kHz, 90 for 44.1); another rate above loses nothing either; of those below, the
// highest loses least.
unsigned HardwareParams::bestRate() {
  const unsigned wanted = options_.rate;
  if (options_.cardRate != 0 && offersRate(options_.cardRate)) return options_.cardRate;
  for (unsigned times = 1; times <= kMultiplesMax; times++) {
    if (offersRate(times * wanted)) return times * wanted;
  }
  for (const unsigned rate : kUsualRates) {
    if (rate > wanted && offersRate(rate)) return rate;
  }
  for (auto rate = std::rbegin(kUsualRates); rate != std::rend(kUsualRates); ++rate) {
    if (*rate < wanted && offersRate(*rate)) return *rate;
  }
  return 0;
}

int HardwareParams::chooseRate(Failure& failure) {
  unsigned rate = bestRate();
  if (rate == 0) rate = options_.rate;
  const int error = calls_("snd_pcm_hw_params_set_rate_near", [&] {
    return snd_pcm_hw_params_set_rate_near(pcm_, params_, &rate, nullptr);
  });
  if (error < 0) {
    refuse(failure, error, "every rate is refused");
    return error;
  }
  shape_.rate = rate;
  return 0;
}

bool HardwareParams::offersChannels(unsigned channels) {
  return calls_("snd_pcm_hw_params_test_channels", [&] {
           return snd_pcm_hw_params_test_channels(pcm_, params_, channels);
         }) == 0;
}

// More than wanted can carry all that is wanted. Mono for stereo is the last choice.
unsigned HardwareParams::bestChannels() {
  for (unsigned channels = options_.channels; channels <= kChannelsMax; channels++) {
    if (offersChannels(channels)) return channels;
  }
  return offersChannels(1) ? 1 : 0;
}

int HardwareParams::chooseChannels(Failure& failure) {
  shape_.channels = bestChannels();
  if (shape_.channels == 0) {
    unsigned min = 0;
    snd_pcm_hw_params_get_channels_min(params_, &min);
    refuse(failure, -EINVAL, "%u channel(s) are refused; it offers %u or more", options_.channels,
           min);
    return -EINVAL;
  }
  return calls_("snd_pcm_hw_params_set_channels", [this] {
    return snd_pcm_hw_params_set_channels(pcm_, params_, shape_.channels);
  });
}

bool HardwareParams::offersFormat(snd_pcm_format_t format) {
  return calls_("snd_pcm_hw_params_test_format", [&] {
           return snd_pcm_hw_params_test_format(pcm_, params_, format);
         }) == 0;
}

int HardwareParams::chooseFormat(Failure& failure) {
  for (const snd_pcm_format_t format : kFormats) {
    if (!offersFormat(format)) continue;
    shape_.format = format;
    return calls_("snd_pcm_hw_params_set_format", [&] {
      return snd_pcm_hw_params_set_format(pcm_, params_, format);
    });
  }
  char offers[256] = "";
  listFormats(pcm_, params_, offers);
  refuse(failure, -EINVAL, "formats S16_LE, S32_LE, S24_LE and S24_3LE are refused; it offers %s",
         offers);
  return -EINVAL;
}

int HardwareParams::chooseSizes(Failure& failure) {
  const auto scaled = [this](unsigned frames) {
    const auto wanted = static_cast<uint64_t>(frames) * shape_.rate / options_.rate;
    return static_cast<snd_pcm_uframes_t>(std::max<uint64_t>(1, wanted));
  };
  snd_pcm_uframes_t period = scaled(options_.periodFrames);
  snd_pcm_uframes_t buffer = scaled(options_.bufferFrames);
  calls_("snd_pcm_hw_params_set_period_size_near", [&] {
    return snd_pcm_hw_params_set_period_size_near(pcm_, params_, &period, nullptr);
  });
  calls_("snd_pcm_hw_params_set_buffer_size_near",
         [&] { return snd_pcm_hw_params_set_buffer_size_near(pcm_, params_, &buffer); });
  int error =
      calls_("snd_pcm_hw_params", [this] { return snd_pcm_hw_params(pcm_, params_); });
  if (error < 0) {
    if (error == -EINVAL) {
      refuse(failure, error, "a period of %lu and a buffer of %lu frames are refused", period,
             buffer);
    }
    return error;
  }
  error = snd_pcm_hw_params_get_period_size(params_, &periodFrames_, nullptr);
  if (error < 0) return error;
  return snd_pcm_hw_params_get_buffer_size(params_, &bufferFrames_);
}

void HardwareParams::refuse(Failure& failure, int error, const char* format, ...) {
  failure.code = "ALSA_PARAMS_REFUSED";
  failure.call = calls_.last();
  failure.error = -error;
  failure.deviceGone = false;
  failure.retryable = false;
  va_list values;
  va_start(values, format);
  std::vsnprintf(failure.detail, sizeof failure.detail, format, values);
  va_end(values);
}

}  // namespace kvm_audio
