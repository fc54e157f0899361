#pragma once

#include <cstdint>
#include <vector>

#include "DeviceLoop.h"
#include "Fade.h"

namespace kvm_audio {

// Moves committed slots into the card as soon as it has room, and sleeps to the next instant that
// matters: room for what waits, low water, the guard. When the ring is empty and the card holds
// no more than the guard, it fades out and keeps the card alive with silence until slots come.
class PlaybackLoop final : public DeviceLoop {
 public:
  explicit PlaybackLoop(StreamCore& core);

 protected:
  int stream() override;

 private:
  int waitAndCarry();
  int round();
  int roundStreaming();
  void lookAtRing();
  int carryOutStop();
  int idle();
  int begin();
  int lookAtDevice();
  void noteDry();
  void noteConsumption();
  int feed();
  bool conceal();
  int coverGap();
  int finish();
  void tellLowWater();
  void planSleep();
  void reset();

  snd_pcm_sframes_t writeSlot(int64_t room);
  snd_pcm_sframes_t write(const int16_t* from, int64_t frames);
  int64_t writeSilence(int64_t frames);
  bool ringEmpty() const { return tail_ == head_; }
  void releaseSlot();
  int64_t ringFrames() const;
  int64_t roomFrames() const { return bufferFrames() - fillFrames_; }
  int64_t bufferFrames() const { return static_cast<int64_t>(device_.bufferFrames()); }
  int64_t guardFrames() const;
  int64_t lowWaterFrames() const;
  int64_t padBelowFrames() const;
  int64_t heardFillFrames() const;
  // Asked before and after the ring was looked at: all that was committed before it is known,
  // and no commit has taken it back.
  bool sourceEnded() const { return ended_ && load(StreamMemory::kEndOfStream) != 0; }

  bool pauses() const { return load(StreamMemory::kPauses) != 0; }

  Fade fade_;
  std::vector<int16_t> silence_;
  const int64_t chunkFrames_;  // silence goes into a gap in pieces of this length
  const int64_t padFrames_;    // silence behind the last sample of a stream that ends, at a time

  int32_t head_ = 0;
  int32_t tail_ = 0;
  int32_t slotDoneFrames_ = 0;
  int32_t stopWanted_ = 0;
  int32_t stopSeen_ = 0;
  bool ended_ = false;
  bool running_ = false;
  bool inGap_ = false;
  bool padded_ = false;
  bool told_ = true;       // JavaScript knows of low water since its last commit
  int32_t fadedInFrames_;  // fade_.frames() = no fade is under way

  int64_t fillFrames_ = 0;    // what the card's buffer held at atNs_
  int64_t beyondFrames_ = 0;  // what the card held more
  int64_t atNs_ = 0;
  int64_t writtenFrames_ = 0;  // into the card since it was started
  int64_t endFrames_ = 0;      // of these, what the last sample of a stream that ends is behind
  int64_t consumedFrames_ = 0;
  int64_t progressNs_ = 0;  // when the card was last seen to have moved
  int64_t timeoutNs_ = 0;   // when it was last counted as standing still
  int64_t lookNs_ = 0;
  int64_t watchUntilNs_ = 0;  // it may play faster than it says: an xrun came
  int64_t sleepNsMin_ = 0;
  int64_t sleepNs_ = 0;
  // When the card ran dry in an xrun that is being recovered from, else 0: what passes until it
  // plays again counts as silence.
  int64_t dryAtNs_ = 0;
  bool waitForRoom_ = false;
  bool wasCarried_ = false;
  Carried carried_ = Carried::kDone;
};

}  // namespace kvm_audio
