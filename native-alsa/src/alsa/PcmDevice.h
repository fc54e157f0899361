#pragma once

#include <poll.h>

#include <cerrno>
#include <cstdint>

#include "AlsaCalls.h"
#include "CardShape.h"
#include "PitchControl.h"
#include "StreamMemory.h"
#include "StreamOptions.h"

namespace kvm_audio {

// How many frames may be read or written, and at which instant of CLOCK_MONOTONIC that was so.
struct DeviceTime {
  snd_pcm_sframes_t availFrames = 0;
  int64_t atNs = 0;
};

// Beside libasound's errors: what a PCM without a clock of its own does, a null or a file.
constexpr int kNoClock = -ETIME;

// One open PCM handle in non-blocking mode, interleaved, in the card's own shape: all frames here
// are the card's. Used by its device thread alone. Results are libasound's: negative errno = error.
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
  // Playback: by the card's own pitch control, where it has one; positive plays faster.
  void steerPitch(int32_t ppm) { pitch_.steer(ppm); }
  // Asks the card whether it is still there.
  int check();
  int now(DeviceTime& time);
  int delay(snd_pcm_sframes_t& frames);
  snd_pcm_sframes_t read(void* to, snd_pcm_uframes_t frames);
  snd_pcm_sframes_t write(const void* from, snd_pcm_uframes_t frames);

  int pollFds(pollfd* to) const;
  int pollEvents(pollfd* fds);

  const CardShape& shape() const { return shape_; }
  snd_pcm_uframes_t periodFrames() const { return periodFrames_; }
  snd_pcm_uframes_t bufferFrames() const { return bufferFrames_; }

 private:
  int available(snd_pcm_sframes_t& frames);
  int negotiate(Failure& failure);
  int setSoftware();
  void nameCard(Negotiated& negotiated);
  void findPitch(Negotiated& negotiated);
  bool cardIsPresent() const;

  const StreamOptions& options_;
  AlsaCalls calls_;
  PitchControl pitch_;
  snd_pcm_t* pcm_ = nullptr;
  snd_pcm_sw_params_t* software_ = nullptr;
  CardShape shape_;
  snd_pcm_uframes_t periodFrames_ = 0;
  snd_pcm_uframes_t bufferFrames_ = 0;
  snd_pcm_uframes_t availMin_ = 0;
  int cardIndex_ = -1;
  unsigned deviceIndex_ = 0;
  bool opened_ = false;
  bool hardwareTime_ = true;
};

}  // namespace kvm_audio
