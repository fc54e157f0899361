#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>

#include "EventFd.h"
#include "StreamMemory.h"
#include "StreamOptions.h"

namespace kvm_audio {

enum class Carried {
  kDone,
  kMore,     // there is more to be carried, after the card had its turn
  kRefused,  // nothing was done: the stream is JavaScript's
};

// Carries frames on the device thread: see FastPath.
class Carrier {
 public:
  virtual ~Carrier() = default;
  virtual Carried carry() = 0;
  // Playback: hardly anything is left to be played. kMore: there is now.
  virtual Carried conceal() { return Carried::kRefused; }
  // The device does not run: what comes is JavaScript's.
  virtual void interrupt() {}
};

// Everything that the device thread touches. The thread, the binding and the ArrayBuffer's
// finalizer each hold a shared_ptr to it, so nothing here dies under an abandoned thread.
struct StreamCore {
  // Bits of `events`, what the thread has to tell JavaScript.
  enum Event : uint32_t { kOpened = 1, kWake = 2, kFailed = 4, kEnded = 8 };

  explicit StreamCore(const StreamOptions& wanted)
      : options(wanted), memory(wanted.slotCount, wanted.slotFramesMax, wanted.channels) {}

  // Device thread. Coalesced: JavaScript is woken once however often this is called before it
  // looks. Takes no lock and allocates nothing.
  void tell(Event event) {
    if (events.fetch_or(event, std::memory_order_acq_rel) == 0) toJs.signal();
  }
  // Device thread. Who holds the lock is JavaScript, which takes the stream or gives it.
  Carried ask(Carried (Carrier::*work)()) {
    const std::unique_lock<std::mutex> lock(carrierLock, std::try_to_lock);
    return lock.owns_lock() && carrier != nullptr ? (carrier->*work)() : Carried::kRefused;
  }
  // Device thread: there may be something to carry.
  Carried carry() { return ask(&Carrier::carry); }
  // Device thread, playback: something is to be made up.
  Carried conceal() { return ask(&Carrier::conceal); }
  // Device thread, while it does not look for what there is to carry.
  void interrupt() {
    const std::unique_lock<std::mutex> lock(carrierLock, std::try_to_lock);
    if (lock.owns_lock() && carrier != nullptr) carrier->interrupt();
  }
  // JavaScript. A thread that comes back from the kernel later than it is waited for carries nothing.
  void endCarrying() {
    const std::lock_guard<std::mutex> guard(carrierLock);
    release();
  }
  // Under the lock.
  void release() {
    carrier = nullptr;
    isCarried = false;
    sourceFd = -1;
  }
  // JavaScript: has the device thread look at what is new for it.
  void kick() {
    if (memory.word(StreamMemory::kKick).exchange(1) == 0) toThread.signal();
  }
  bool stopping() const { return stop.load(std::memory_order_acquire); }

  const StreamOptions options;
  StreamMemory memory;
  EventFd toThread;
  EventFd toJs;
  std::atomic<uint32_t> events{0};
  std::atomic<bool> stop{false};
  Negotiated negotiated;
  Failure failure;
  // What carries is touched under the lock alone; nullptr: JavaScript has the stream.
  std::mutex carrierLock;
  Carrier* carrier = nullptr;
  // These are written under the lock.
  std::atomic<bool> isCarried{false};
  // Playback: readable where there may be something to carry.
  std::atomic<int> sourceFd{-1};
};

}  // namespace kvm_audio
