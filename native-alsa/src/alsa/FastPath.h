#pragma once

#include <cstdint>
#include <memory>

#include "StreamCore.h"

namespace kvm_audio {

// Carries the plain frames of a steady stream on the device thread, so that JavaScript sleeps
// meanwhile. JavaScript decides all else, and has the stream whenever it wants it: the thread
// touches the stream only between engage() and disengage(), under the core's lock, frame by frame.
// What is not plain it does not touch: it hands the stream over, that is, takes no frame any more
// and wakes JavaScript, which finds everything as the last plain frame has left it. The thread never
// waits for the lock.
//
// What was carried is noted in a log, a row a frame, which JavaScript reads when it has the stream;
// or meanwhile, where the log has two halves: the thread goes on in the other one.
class FastPath : protected Carrier {
 public:
  // 2.75 s of the shortest frames, and some: JavaScript reads them sooner.
  static constexpr int kRowsMax = 1280;

  // `rows` has room for kRowsMax of `rowValues` each, for two times as many where swapLog() is used,
  // and lives as long as this does.
  FastPath(std::shared_ptr<StreamCore> core, double* rows, int rowValues)
      : core_(std::move(core)), rowValues_(rowValues), rows_(rows), half_(rows) {}
  FastPath(const FastPath&) = delete;
  FastPath& operator=(const FastPath&) = delete;

 protected:
  // JavaScript's thread. The stream is this object's from now on. Playback: there may be something
  // to carry where `sourceFd` is readable.
  void engage(int sourceFd = -1);
  // JavaScript's thread. The stream is JavaScript's again. Returns the rows that were noted since
  // engage(). Idempotent.
  int disengage();

  // JavaScript's thread, under the core's lock: the stream stays with the thread, whose next row is
  // the first of the other half. Returns the rows that were noted since engage(), or the last swap.
  int swapLog();
  // Under the core's lock: the stream is with the thread.
  bool isCarrying() const { return core_->carrier == this && !handedOver_; }

  // The next frame. Not once the stream was handed over.
  virtual Carried carryNext() = 0;
  // This frame, and what follows it, is JavaScript's.
  void handOver();
  void wakeJs() { core_->tell(StreamCore::kWake); }
  // A row to be filled, which counts once rowCount_ says so; nullptr where the log is full.
  double* nextRow() { return rowCount_ == kRowsMax ? nullptr : half_ + rowCount_ * rowValues_; }

  const std::shared_ptr<StreamCore> core_;
  bool handedOver_ = false;  // since engage()
  int rowCount_ = 0;

 private:
  Carried carry() final;

  const int rowValues_;
  double* const rows_;
  double* half_;  // where rows go now
};

}  // namespace kvm_audio
