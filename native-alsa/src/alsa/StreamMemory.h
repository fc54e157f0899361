#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "clock.h"

namespace kvm_audio {

// The one block that a stream's device thread and JavaScript share: control words, statistics,
// slot headers, slots. JavaScript sees it as an external ArrayBuffer; whoever lets go last frees
// it, so a thread that hangs in the kernel can do no harm when it comes back.
//
// Indices into the ring run from 0 to 2 × slotCount − 1, so that full and empty differ without
// either side ever wrapping at 2³². Each word but kKick has one writer
// at a time; what is JavaScript's to write is the fast path's while that has the stream.
class StreamMemory {
 public:
  // Int32 words. The numbers are exported to TypeScript as `layout`.
  enum Word : int {
    kThreadIndex = 0,  // capture: next slot to fill; playback: next slot to play (thread writes)
    kInCallSince = 1,  // low 32 bits of CLOCK_MONOTONIC in µs, 0 = in no libasound call (thread)
    kPitchMinPpm = 2,  // playback: what the card's own pitch control can do; 0 and 0 = it has none
    kPitchMaxPpm,      // (thread)
    kPitchSetPpm,      // where that control is, as far as is known (thread)
    kPitchRefused,     // 1 = it could not be set to what was wanted last (thread)
    kJsIndex = 16,     // capture: next slot to release; playback: next slot to commit (JS writes)
    kSlotFrames,       // capture: frames of the next slot (JS)
    kGuardFrames,      // playback margins (JS)
    kLowWaterFrames,
    kStartSilenceFrames,
    kEndOfStream,  // 1 = no more commits are expected (JS)
    kStop,         // (number of the stop() << 12) | kJsIndex at that stop (JS)
    kPitchPpm,     // playback: by so much the card's own pitch control is to play faster (JS)
    kPauses,       // 1 = the source has said that it pauses (JS)
    kKick = 32,    // 1 = the thread has been woken and has not looked yet (both; exchange)
    kStatisticsSequence = 48,  // seqlock, odd while the thread writes
    kStatistics = 50,          // 64-bit values from here on, low word first
  };

  // 64-bit statistics, by position after kStatistics.
  enum Statistic : int {
    // Read by JavaScript at each packet, so they stand together at the front.
    kStreaming,
    kFramesMoved,    // capture: read from the device; playback: written from the ring
    kFramesDropped,  // capture: lost for whatever reason; playback: thrown away by stop()
    kSilenceFrames,  // playback
    kFillFrames,     // playback: what the device's buffer held at kFillUs
    kFillUs,         // playback
    kBeyondFrames,   // playback: by how much snd_pcm_delay was above that fill
    kAdvancing,      // playback: 1 = the device consumes, so kFillFrames may be extrapolated
    kStopSeen,       // playback: kStop as it was carried out last
    kLastProgressUs,
    kPlayoutStatisticCount,

    kWakeups = kPlayoutStatisticCount,  // of JavaScript by the device thread, but for a fast path's
    kPollRounds,
    kPollTimeouts,
    kXruns,
    kSlotsFilled,        // capture
    kRingFullSlots,      // capture
    kUnderruns,          // playback
    kUnderrunUs,         // playback: when the last of them began
    kDeviceDelayFrames,  // playback: snd_pcm_delay
    kStatisticCount,
  };

  struct SlotHeader {
    int32_t frames;
    int32_t offsetFrames;   // playback
    int32_t discontinuity;  // capture
    int32_t lateUs;         // capture: from the last sample until the slot was full
    double timeUs;          // capture
    double positionFrames;  // capture
  };

  static constexpr std::size_t kHeadersOffset = 512;
  // kStop has 12 bits for an index.
  static constexpr int32_t kSlotCountMax = 2048;
  static constexpr int32_t kStopIndexMask = 0xfff;

  StreamMemory(int32_t slotCount, int32_t slotFramesMax, unsigned channels);
  ~StreamMemory();
  StreamMemory(const StreamMemory&) = delete;
  StreamMemory& operator=(const StreamMemory&) = delete;

  bool valid() const { return bytes_ != nullptr; }
  void* data() const { return bytes_; }
  std::size_t byteLength() const { return byteLength_; }
  std::size_t samplesOffset() const { return samplesOffset_; }
  std::size_t slotStride() const { return slotStride_; }
  int32_t slotCount() const { return slotCount_; }

  std::atomic<int32_t>& word(int index) const { return words_[index]; }
  SlotHeader& header(int32_t index) const;
  int16_t* samples(int32_t index) const;
  // One slot more than the ring has: where a capture with a full ring reads to.
  int16_t* scratch() const;
  // Nobody wants the sound any more: its pages go back at once, what reads it finds silence.
  void letGoOfSamples();

  int32_t next(int32_t index) const { return index + 1 == 2 * slotCount_ ? 0 : index + 1; }
  int32_t distance(int32_t from, int32_t to) const {
    return to >= from ? to - from : to - from + 2 * slotCount_;
  }

  void enterCall() {
    const auto us = static_cast<uint32_t>(monotonicNs() / 1000);
    word(kInCallSince).store(static_cast<int32_t>(us == 0 ? 1 : us), std::memory_order_relaxed);
  }
  void leaveCall() { word(kInCallSince).store(0, std::memory_order_relaxed); }

  // The thread's own copy; publish() makes it visible as one consistent picture.
  int64_t statistics[kStatisticCount] = {};
  void publish();
  // Another thread's look at the first `count` of them; false where the device thread was
  // interrupted while it wrote.
  bool read(int64_t* to, int count) const;

 private:
  int32_t slotCount_;
  std::size_t slotStride_ = 0;
  std::size_t samplesOffset_ = 0;
  std::size_t byteLength_ = 0;
  char* bytes_ = nullptr;
  std::atomic<int32_t>* words_ = nullptr;
};

}  // namespace kvm_audio
