#pragma once

#include <cstdint>

#include "CardEdge.h"
#include "StreamCore.h"

namespace kvm_audio {

// What one device thread does from open to close, in frames of the stream's rate. Nothing below
// run() waits for a lock (but a capture that carries frames, for a send of JavaScript's on the same
// socket), allocates or logs once the device is open; it sleeps only in wait().
class DeviceLoop {
 public:
  static constexpr int64_t kSleepNsMax = 200'000'000;

  explicit DeviceLoop(StreamCore& core) : core_(core), device_(core.options, core.memory) {}
  virtual ~DeviceLoop() = default;
  DeviceLoop(const DeviceLoop&) = delete;
  DeviceLoop& operator=(const DeviceLoop&) = delete;

  // Opens the device, streams until it is told to stop or the device fails, closes.
  void run();

 protected:
  enum class Recovery { kNothing, kRestart, kFatal };

  // Returns 0 when told to stop, else the errno (negative) that ends the stream.
  virtual int stream() = 0;

  // Publishes the statistics, then sleeps until the other side calls, the time is over or, with
  // `device`, the card wants something, or, with a `source`, that descriptor is readable. Returns an
  // error of the card's, or 0.
  int wait(int64_t timeoutNs, bool device, int source = -1);
  // The last wait() found the source readable.
  bool sourceReady() const { return sourceReady_; }
  // True when the last wait() ended by its time-out.
  bool timedOut() const { return timedOut_; }
  // Sleeps outside the device, ending early when told to stop.
  void pause(int64_t ns);
  // Brings the device back to `prepared` after `error`, in place. `ranOut` = it has only played
  // all there was: no xrun to count.
  Recovery recover(int& error, bool ranOut = false);
  void noteProgress(int64_t atNs);
  // The device does not run: there is nothing in it.
  void noteStandstill();
  void tellWake();

  int64_t& statistic(StreamMemory::Statistic which) { return core_.memory.statistics[which]; }
  int32_t load(StreamMemory::Word word) const { return core_.memory.word(word).load(); }
  int64_t framesToNs(int64_t frames) const {
    return frames * 1'000'000'000 / static_cast<int64_t>(core_.options.rate);
  }
  int64_t nsToFrames(int64_t ns) const {
    return ns * static_cast<int64_t>(core_.options.rate) / 1'000'000'000;
  }

  StreamCore& core_;
  CardEdge device_;

 private:
  int raisePriority();
  int resume();
  Recovery prepare(int& error);

  bool wakesForNothing();

  bool timedOut_ = false;
  bool sourceReady_ = false;
  int64_t movedAtWait_ = 0;
  int emptyWakesInRow_ = 0;
  int recoveriesInRow_ = 0;
};

}  // namespace kvm_audio
