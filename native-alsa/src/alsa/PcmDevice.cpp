#include "PcmDevice.h"

#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "HardwareParams.h"
#include "clock.h"

namespace kvm_audio {

namespace {

// A reading that took longer than this was interrupted: its time stamp would be too early or late.
constexpr int64_t kClockReadingNsMax = 50'000;
constexpr int kClockReadingsMax = 4;
// A card's stamp that is further off is in another clock, or was never taken.
constexpr int64_t kStampAgeNsMax = 1'000'000'000;

// libasound explains a refused open in text only.
struct Explanation {
  char first[256];  // the first line says most
  bool argumentsRefused;
};
thread_local Explanation explanation;

bool begins(const char* text, const char* with) {
  return std::strncmp(text, with, std::strlen(with)) == 0;
}

void keepMessage(const char*, int, const char*, int, const char* format, va_list values) {
  if (begins(format, "Parse arguments error")) explanation.argumentsRefused = true;
  if (explanation.first[0] != '\0') return;
  std::vsnprintf(explanation.first, sizeof explanation.first, format, values);
}

// No card that comes makes it right: it has no definition, or its definition does not take these
// arguments (ENOENT or EINVAL both), or a card's number is above those that cards have. "Unknown
// parameters" is something else: without a card `front` and the like have no arguments yet.
bool nameIsWrong(int error) {
  const char* const first = explanation.first;
  if (explanation.argumentsRefused || begins(first, "Unknown PCM")) return true;
  return error == -EINVAL &&
         (begins(first, "Cannot get card index") || begins(first, "cannot find card"));
}

}  // namespace

PcmDevice::PcmDevice(const StreamOptions& options, StreamMemory& memory)
    : options_(options), calls_(memory), pitch_(memory, calls_) {}

PcmDevice::~PcmDevice() { close(); }

void PcmDevice::close() {
  pitch_.close();
  if (software_ != nullptr) snd_pcm_sw_params_free(software_);
  software_ = nullptr;
  if (pcm_ == nullptr) return;
  calls_("snd_pcm_close", [this] { return snd_pcm_close(pcm_); });
  pcm_ = nullptr;
}

bool PcmDevice::open(Negotiated& negotiated, Failure& failure) {
  explanation = {};
  snd_lib_error_set_local(keepMessage);
  const auto stream = options_.direction == Direction::kCapture ? SND_PCM_STREAM_CAPTURE
                                                                : SND_PCM_STREAM_PLAYBACK;
  int error = calls_("snd_pcm_open", [&] {
    return snd_pcm_open(&pcm_, options_.device.c_str(), stream, SND_PCM_NONBLOCK);
  });
  if (error < 0) {
    pcm_ = nullptr;
    describe(error, failure);
    return false;
  }
  failure.code = "";
  error = negotiate(failure);
  if (error < 0) {
    if (failure.code[0] == '\0') describe(error, failure);
    return false;
  }
  nameCard(negotiated);
  if (options_.direction == Direction::kPlayback) findPitch(negotiated);
  negotiated.rate = shape_.rate;
  negotiated.channels = shape_.channels;
  negotiated.format = snd_pcm_format_name(shape_.format);
  negotiated.periodFrames = static_cast<unsigned>(periodFrames_);
  negotiated.bufferFrames = static_cast<unsigned>(bufferFrames_);
  opened_ = true;
  return true;
}

int PcmDevice::negotiate(Failure& failure) {
  HardwareParams hardware(pcm_, options_, calls_);
  const int error = hardware.negotiate(failure);
  if (error < 0) return error;
  shape_ = hardware.shape();
  periodFrames_ = hardware.periodFrames();
  bufferFrames_ = hardware.bufferFrames();
  return setSoftware();
}

// Playback starts when we say so, and stops by itself only when the buffer has run dry.
int PcmDevice::setSoftware() {
  int error = snd_pcm_sw_params_malloc(&software_);
  if (error < 0) return error;
  error = calls_("snd_pcm_sw_params_current",
               [&] { return snd_pcm_sw_params_current(pcm_, software_); });
  if (error < 0) return error;
  snd_pcm_uframes_t boundary = 0;
  error = snd_pcm_sw_params_get_boundary(software_, &boundary);
  if (error < 0) return error;
  snd_pcm_sw_params_set_start_threshold(pcm_, software_, boundary);
  snd_pcm_sw_params_set_stop_threshold(pcm_, software_, bufferFrames_);
  snd_pcm_sw_params_set_tstamp_mode(pcm_, software_, SND_PCM_TSTAMP_ENABLE);
  // Where the kind of time stamp cannot be chosen, now() falls back to reading the clock itself.
  if (snd_pcm_sw_params_set_tstamp_type(pcm_, software_, SND_PCM_TSTAMP_TYPE_MONOTONIC) < 0) {
    hardwareTime_ = false;
  }
  return setAvailMin(periodFrames_);
}

int PcmDevice::setAvailMin(snd_pcm_uframes_t frames) {
  if (frames == availMin_) return 0;
  snd_pcm_sw_params_set_avail_min(pcm_, software_, frames);
  const int error =
      calls_("snd_pcm_sw_params", [&] { return snd_pcm_sw_params(pcm_, software_); });
  if (error >= 0) availMin_ = frames;
  return error;
}

void PcmDevice::nameCard(Negotiated& negotiated) {
  snd_pcm_info_t* info = nullptr;
  if (snd_pcm_info_malloc(&info) < 0) return;
  if (calls_("snd_pcm_info", [&] { return snd_pcm_info(pcm_, info); }) == 0) {
    cardIndex_ = snd_pcm_info_get_card(info);
    deviceIndex_ = snd_pcm_info_get_device(info);
    char* name = nullptr;
    if (cardIndex_ >= 0 && snd_card_get_name(cardIndex_, &name) == 0) {
      std::snprintf(negotiated.cardName, sizeof negotiated.cardName, "%s", name);
      std::free(name);
    } else {
      const char* described = snd_pcm_info_get_name(info);
      std::snprintf(negotiated.cardName, sizeof negotiated.cardName, "%s",
                    described != nullptr && described[0] ? described : options_.device.c_str());
    }
  }
  snd_pcm_info_free(info);
}

// A PCM that is no kernel card's has its controls, if any, under its own name.
void PcmDevice::findPitch(Negotiated& negotiated) {
  if (cardIndex_ < 0) {
    pitch_.open(options_.device.c_str(), 0, negotiated);
    return;
  }
  char controls[16];
  std::snprintf(controls, sizeof controls, "hw:%d", cardIndex_);
  pitch_.open(controls, deviceIndex_, negotiated);
}

void PcmDevice::describe(int error, Failure& failure) const {
  const bool unknown = pcm_ == nullptr && !opened_ && nameIsWrong(error);
  failure.call = calls_.last();
  failure.error = -error;
  failure.deviceGone = !unknown && isGone(error);
  failure.code = unknown              ? "ALSA_UNKNOWN_PCM"
                 : failure.deviceGone ? "ALSA_DEVICE_GONE"
                 : opened_            ? "ALSA_IO"
                                      : "ALSA_OPEN_FAILED";
  failure.retryable = failure.deviceGone || error == -EBUSY || error == -EAGAIN ||
                      error == -ENOMEM || error == -EIO || error == -EMFILE || error == -ENFILE;
  const char* const because = opened_ ? "" : explanation.first;
  // What the error is called is that of whatever was looked for in the name.
  const char* const what = unknown             ? ""
                           : error == kNoClock ? "it gives sound many times faster than it lasts"
                                               : snd_strerror(error);
  std::snprintf(failure.detail, sizeof failure.detail, "%s%s%s", what,
                *what && *because ? ": " : "", because);
}

// The kernel says ENODEV once a card has been unplugged and EBADFD on a handle that it
// disconnected; the name of a card that is not there is ENOENT (ENXIO without a driver) at open.
bool PcmDevice::isGone(int error) const {
  if (error == -ENODEV || error == -EBADFD) return true;
  if (!opened_ && (error == -ENOENT || error == -ENXIO)) return true;
  return error == -EIO && cardIndex_ >= 0 && !cardIsPresent();
}

bool PcmDevice::cardIsPresent() const {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/asound/card%d", cardIndex_);
  return access(path, F_OK) == 0;
}

int PcmDevice::prepare() {
  return calls_("snd_pcm_prepare", [this] { return snd_pcm_prepare(pcm_); });
}

int PcmDevice::start() {
  return calls_("snd_pcm_start", [this] { return snd_pcm_start(pcm_); });
}

int PcmDevice::drop() {
  return calls_("snd_pcm_drop", [this] { return snd_pcm_drop(pcm_); });
}

int PcmDevice::resume() {
  return calls_("snd_pcm_resume", [this] { return snd_pcm_resume(pcm_); });
}

int PcmDevice::check() {
  snd_pcm_sframes_t avail = 0;
  if (const int error = available(avail); error < 0) return error;
  snd_pcm_sframes_t frames = 0;
  return delay(frames);
}

// snd_pcm_avail() of an ioplug is content with a stream that is suspended or gone.
int PcmDevice::available(snd_pcm_sframes_t& frames) {
  frames = calls_("snd_pcm_avail", [this] { return snd_pcm_avail(pcm_); });
  if (frames < 0) return static_cast<int>(frames);
  switch (calls_("snd_pcm_state", [this] { return snd_pcm_state(pcm_); })) {
    case SND_PCM_STATE_OPEN:
      return -EBADFD;
    case SND_PCM_STATE_DISCONNECTED:
      return -ENODEV;
    case SND_PCM_STATE_SUSPENDED:
      return -ESTRPIPE;
    case SND_PCM_STATE_SETUP:
    case SND_PCM_STATE_XRUN:
      return -EPIPE;
    default:
      return 0;
  }
}

int PcmDevice::now(DeviceTime& time) {
  for (int reading = 0; reading < kClockReadingsMax; reading++) {
    const int64_t before = monotonicNs();
    const int error = available(time.availFrames);
    const int64_t after = monotonicNs();
    if (error < 0) return error;
    time.atNs = before + (after - before) / 2;
    if (hardwareTime_ || after - before <= kClockReadingNsMax) break;
  }
  if (!hardwareTime_) return 0;

  snd_pcm_uframes_t frames = 0;
  snd_htimestamp_t stamp = {};
  const int error =
      calls_("snd_pcm_htimestamp", [&] { return snd_pcm_htimestamp(pcm_, &frames, &stamp); });
  if (error == -EPIPE || error == -ESTRPIPE || error == -ENODEV || error == -EBADFD) return error;
  if (error < 0) {
    hardwareTime_ = false;  // a plugin without time stamps: an ioplug answers EIO
    return now(time);
  }
  const int64_t stampNs = static_cast<int64_t>(stamp.tv_sec) * 1'000'000'000 + stamp.tv_nsec;
  const int64_t ageNs = time.atNs - stampNs;
  if (stampNs == 0 || ageNs > kStampAgeNsMax || ageNs < -kStampAgeNsMax) return 0;
  time.availFrames = static_cast<snd_pcm_sframes_t>(frames);
  time.atNs = stampNs;
  return 0;
}

int PcmDevice::delay(snd_pcm_sframes_t& frames) {
  return calls_("snd_pcm_delay", [&] { return snd_pcm_delay(pcm_, &frames); });
}

snd_pcm_sframes_t PcmDevice::read(void* to, snd_pcm_uframes_t frames) {
  return calls_("snd_pcm_readi", [&] { return snd_pcm_readi(pcm_, to, frames); });
}

snd_pcm_sframes_t PcmDevice::write(const void* from, snd_pcm_uframes_t frames) {
  return calls_("snd_pcm_writei", [&] { return snd_pcm_writei(pcm_, from, frames); });
}

int PcmDevice::pollFds(pollfd* to) const {
  return snd_pcm_poll_descriptors(pcm_, to, kPollFdsMax);
}

int PcmDevice::pollEvents(pollfd* fds) {
  unsigned short events = 0;
  const int count = snd_pcm_poll_descriptors_count(pcm_);
  const int error = calls_("snd_pcm_poll_descriptors_revents", [&] {
    return snd_pcm_poll_descriptors_revents(
        pcm_, fds, static_cast<unsigned>(count < kPollFdsMax ? count : kPollFdsMax), &events);
  });
  return error < 0 ? error : events;
}

}  // namespace kvm_audio
