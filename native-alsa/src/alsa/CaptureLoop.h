#pragma once

#include <cstdint>

#include "DeviceLoop.h"

namespace kvm_audio {

// Reads the card straight into ring slots. What the slot still lacks waits in the card's own
// buffer, so a slot is normally filled by one read and its time stamp is that read's.
class CaptureLoop final : public DeviceLoop {
 public:
  using DeviceLoop::DeviceLoop;

 protected:
  int stream() override;

 private:
  int begin();
  int readWhatIsThere();
  snd_pcm_sframes_t readSome(snd_pcm_sframes_t frames, int64_t firstNs);
  void beginSlot(int64_t firstNs);
  void endSlot();
  void abandonSlot();
  snd_pcm_sframes_t wakeFrames() const;
  bool hasNoClock() const;

  int32_t head_ = 0;
  int32_t slotFrames_ = 0;
  int32_t filledFrames_ = 0;
  bool ringFull_ = false;
  bool discontinuity_ = false;
  bool measureGap_ = false;
  int64_t expectedNs_ = 0;  // when the next sample is due if none is lost
  int64_t positionFrames_ = 0;
  int64_t begunNs_ = 0;
  int64_t readFrames_ = 0;  // since then
};

}  // namespace kvm_audio
