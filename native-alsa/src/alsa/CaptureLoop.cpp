#include "CaptureLoop.h"

#include <algorithm>
#include <cerrno>

namespace kvm_audio {

namespace {

// A receiver that is thought to run at 48 kHz may run at 192.
constexpr int64_t kFasterMax = 8;

}  // namespace

int CaptureLoop::stream() {
  int error = begin();
  for (;;) {
    if (error >= 0) {
      if (filledFrames_ == 0) slotFrames_ = load(StreamMemory::kSlotFrames);
      error = device_.setAvailMin(static_cast<snd_pcm_uframes_t>(wakeFrames()));
    }
    if (error >= 0) {
      error = wait(kSleepNsMax, true);
      if (core_.stopping()) return 0;
      if (timedOut()) statistic(StreamMemory::kPollTimeouts)++;
      if (filledFrames_ == 0) slotFrames_ = load(StreamMemory::kSlotFrames);
      if (error >= 0) error = readWhatIsThere();
    }
    if (error >= 0) continue;
    const Recovery recovery = recover(error);
    if (core_.stopping()) return 0;
    if (recovery == Recovery::kFatal) return error;
    error = recovery == Recovery::kRestart ? begin() : 0;
  }
}

int CaptureLoop::begin() {
  abandonSlot();
  const int error = device_.start();
  begunNs_ = monotonicNs();
  readFrames_ = 0;
  statistic(StreamMemory::kStreaming) = error >= 0 ? 1 : 0;
  return error;
}

// A slot that was being filled when samples were lost is not worth keeping.
void CaptureLoop::abandonSlot() {
  if (expectedNs_ != 0) {
    discontinuity_ = true;
    measureGap_ = true;
  }
  statistic(StreamMemory::kFramesDropped) += filledFrames_;
  filledFrames_ = 0;
}

// Enough to finish the slot, but never so much that the card's buffer comes near its end.
snd_pcm_sframes_t CaptureLoop::wakeFrames() const {
  const auto most = std::max(device_.periodFrames(), device_.bufferFrames() / 2);
  return std::min<snd_pcm_sframes_t>(slotFrames_ - filledFrames_,
                                     static_cast<snd_pcm_sframes_t>(most));
}

int CaptureLoop::readWhatIsThere() {
  DeviceTime time;
  const int error = device_.now(time);
  if (error < 0) return error;
  int64_t firstNs = time.atNs - framesToNs(time.availFrames);
  snd_pcm_sframes_t left = time.availFrames;
  while (left >= wakeFrames()) {
    const auto want = std::min<snd_pcm_sframes_t>(left, slotFrames_ - filledFrames_);
    const snd_pcm_sframes_t got = readSome(want, firstNs);
    if (got == 0 || got == -EAGAIN) break;
    if (got < 0) return static_cast<int>(got);
    left -= got;
    firstNs += framesToNs(got);
  }
  return hasNoClock() ? kNoClock : 0;
}

// A PCM that is no card may give samples as fast as they are read, and would take a whole CPU.
bool CaptureLoop::hasNoClock() const {
  const int64_t fastestFrames = kFasterMax * nsToFrames(monotonicNs() - begunNs_);
  const auto spareFrames = static_cast<int64_t>(device_.bufferFrames() + core_.options.rate / 4);
  return readFrames_ > fastestFrames + spareFrames;
}

snd_pcm_sframes_t CaptureLoop::readSome(snd_pcm_sframes_t frames, int64_t firstNs) {
  if (filledFrames_ == 0) beginSlot(firstNs);
  int16_t* const slot = ringFull_ ? core_.memory.scratch() : core_.memory.samples(head_);
  const snd_pcm_sframes_t got =
      device_.read(slot + static_cast<std::size_t>(filledFrames_) * core_.options.channels,
                   static_cast<snd_pcm_uframes_t>(frames));
  if (got <= 0) return got;
  filledFrames_ += static_cast<int32_t>(got);
  positionFrames_ += got;
  readFrames_ += got;
  expectedNs_ = firstNs + framesToNs(got);
  statistic(StreamMemory::kFramesMoved) += got;
  noteProgress(monotonicNs());
  if (filledFrames_ == slotFrames_) endSlot();
  return got;
}

void CaptureLoop::beginSlot(int64_t firstNs) {
  if (measureGap_) {
    const int64_t lost = std::max<int64_t>(0, nsToFrames(firstNs - expectedNs_));
    positionFrames_ += lost;
    statistic(StreamMemory::kFramesDropped) += lost;
    measureGap_ = false;
  }
  const int32_t used = core_.memory.distance(load(StreamMemory::kJsIndex), head_);
  ringFull_ = used >= core_.memory.slotCount();
  if (ringFull_) return;
  auto& header = core_.memory.header(head_);
  header.timeUs = static_cast<double>(firstNs) / 1000.0;
  header.positionFrames = static_cast<double>(positionFrames_);
}

void CaptureLoop::endSlot() {
  if (ringFull_) {
    statistic(StreamMemory::kRingFullSlots)++;
    statistic(StreamMemory::kFramesDropped) += filledFrames_;
    discontinuity_ = true;
  } else {
    auto& header = core_.memory.header(head_);
    header.frames = filledFrames_;
    header.discontinuity = discontinuity_ ? 1 : 0;
    header.lateUs = static_cast<int32_t>((monotonicNs() - expectedNs_) / 1000);
    discontinuity_ = false;
    head_ = core_.memory.next(head_);
    statistic(StreamMemory::kSlotsFilled)++;
    core_.memory.word(StreamMemory::kThreadIndex).store(head_);
    if (core_.carry() == Carried::kRefused) tellWake();
  }
  filledFrames_ = 0;
  slotFrames_ = load(StreamMemory::kSlotFrames);
}

}  // namespace kvm_audio
