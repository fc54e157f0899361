#pragma once

#include <cstdint>
#include <vector>

#include "PcmDevice.h"
#include "RateConverter.h"
#include "SampleConverter.h"

namespace kvm_audio {

// A card as the stream sees it: S16 at the stream's rate and channels, whatever the card itself
// is. Between a device loop and its PcmDevice; the device thread alone uses it. All frames here
// are the stream's. What waits in the resampler, or between it and the card, counts as if it were
// in the card's buffer: so fill, delay and time stamps are those of the sound. Where the card is
// what the stream wants, each call goes straight to it. Allocates in open() only.
class CardEdge {
 public:
  CardEdge(const StreamOptions& options, StreamMemory& memory);

  bool open(Negotiated& negotiated, Failure& failure);
  void close() { device_.close(); }
  void describe(int error, Failure& failure) const { device_.describe(error, failure); }
  bool isGone(int error) const { return device_.isGone(error); }

  int prepare();
  int start() { return device_.start(); }
  int drop() { return device_.drop(); }
  int resume() { return device_.resume(); }
  int check() { return device_.check(); }
  int setAvailMin(snd_pcm_uframes_t frames);
  void steerPitch(int32_t ppm) { device_.steerPitch(ppm); }
  // Capture: `atNs` is when the last of the available frames was heard.
  int now(DeviceTime& time);
  int delay(snd_pcm_sframes_t& frames);
  snd_pcm_sframes_t read(int16_t* to, snd_pcm_uframes_t frames);
  snd_pcm_sframes_t write(const int16_t* from, snd_pcm_uframes_t frames);

  int pollFds(pollfd* to) const { return device_.pollFds(to); }
  int pollEvents(pollfd* fds) { return device_.pollEvents(fds); }

  snd_pcm_uframes_t periodFrames() const { return periodFrames_; }
  snd_pcm_uframes_t bufferFrames() const { return bufferFrames_; }
  // Of what counts as in the card's buffer, what playing cannot go on with: it waits for the frames
  // after it.
  int64_t heldFrames() const;

 private:
  bool convertsShape() const;
  bool openConverters();
  int64_t toStreamFrames(int64_t cardFrames) const { return cardFrames * streamRate_ / cardRate_; }
  int64_t fillFrames(int64_t queuedCardFrames) const;
  snd_pcm_sframes_t capture(int16_t* to, snd_pcm_uframes_t frames);
  snd_pcm_sframes_t fetch(int64_t cardFrames);
  std::size_t convertCaptured(int16_t* to, std::size_t frames);
  void convertPlayed(const int16_t* from, std::size_t frames);
  int flush();

  const StreamOptions& options_;
  PcmDevice device_;
  SampleConverter samples_;
  RateConverter rate_;
  bool converts_ = false;
  int64_t streamRate_ = 1;
  int64_t cardRate_ = 1;
  snd_pcm_uframes_t periodFrames_ = 0;
  snd_pcm_uframes_t bufferFrames_ = 0;

  std::size_t cardCapacity_ = 0;  // frames that the next two hold
  std::vector<uint8_t> card_;
  std::vector<float> cardFloats_;
  std::vector<float> streamFloats_;  // kChunkFrames
  // Frames that wait. Capture: in cardFloats_, to be converted; playback: in card_, to be written.
  std::size_t waiting_ = 0;
  std::size_t waitingAt_ = 0;  // playback: where they begin
  int64_t streamFrames_ = 0;   // playback: taken since prepare()
  int64_t cardFrames_ = 0;     // playback: written since prepare()
};

}  // namespace kvm_audio
