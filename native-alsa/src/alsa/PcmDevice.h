#pragma once

// error.h declares snd_lib_error_set_local() outside its own extern "C" (alsa-lib 1.2.8).
extern "C" {
#include <alsa/asoundlib.h>
}
#include <poll.h>

#include <cstdint>

#include "StreamMemory.h"
#include "StreamOptions.h"

namespace kvm_audio {

// How many frames may be read or written, and at which instant of CLOCK_MONOTONIC that was so.
struct DeviceTime {
  snd_pcm_sframes_t availFrames = 0;
  int64_t atNs = 0;
};

// One open PCM handle in non-blocking mode, S16_LE interleaved. Used by its device thread alone.
// Every libasound call is marked in StreamMemory (so that a hang can be seen from outside) and
// remembered by name (so that an error can say where it came from). Results are libasound's:
// negative errno = error.
class PcmDevice {
 public:
  static constexpr int kPollFdsMax = 8;

  PcmDevice(const StreamOptions& options, StreamMemory& memory);
  ~PcmDevice();
  PcmDevice(const PcmDevice&) = delete;
  PcmDevice& operator=(const PcmDevice&) = delete;

  // Opens and negotiates; on refusal fills `failure` and returns false.
  bool open(Negotiated& negotiated, Failure& failure);
  void close();
  // Describes `error` as a failure of the call made last.
  void describe(int error, Failure& failure) const;
  // Whether `error` says that the card itself has gone.
  bool isGone(int error) const;

  int prepare();
  int start();
  int drop();
  int resume();
  int setAvailMin(snd_pcm_uframes_t frames);
  // Asks the card whether it is still there.
  int check();
  int now(DeviceTime& time);
  int delay(snd_pcm_sframes_t& frames);
  snd_pcm_sframes_t read(int16_t* to, snd_pcm_uframes_t frames);
  snd_pcm_sframes_t write(const int16_t* from, snd_pcm_uframes_t frames);

  int pollFds(pollfd* to) const;
  int pollEvents(pollfd* fds);

  snd_pcm_uframes_t periodFrames() const { return periodFrames_; }
  snd_pcm_uframes_t bufferFrames() const { return bufferFrames_; }

 private:
  int available(snd_pcm_sframes_t& frames);
  int negotiate(Failure& failure);
  int setHardware(snd_pcm_hw_params_t* params, Failure& failure);
  int setSoftware();
  void nameCard(Negotiated& negotiated);
  void refuse(Failure& failure, int error, const char* format, ...)
      __attribute__((format(printf, 4, 5)));
  bool cardIsPresent() const;

  template <class Call>
  auto call(const char* name, Call body) {
    lastCall_ = name;
    memory_.enterCall();
    const auto result = body();
    memory_.leaveCall();
    return result;
  }

  const StreamOptions& options_;
  StreamMemory& memory_;
  snd_pcm_t* pcm_ = nullptr;
  snd_pcm_sw_params_t* software_ = nullptr;
  snd_pcm_uframes_t periodFrames_ = 0;
  snd_pcm_uframes_t bufferFrames_ = 0;
  snd_pcm_uframes_t availMin_ = 0;
  const char* lastCall_ = "snd_pcm_open";
  int cardIndex_ = -1;
  bool opened_ = false;
  bool hardwareTime_ = true;
};

}  // namespace kvm_audio
