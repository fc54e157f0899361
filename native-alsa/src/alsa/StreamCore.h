#pragma once

#include <atomic>
#include <cstdint>

#include "EventFd.h"
#include "StreamMemory.h"
#include "StreamOptions.h"

namespace kvm_audio {

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
  bool stopping() const { return stop.load(std::memory_order_acquire); }

  const StreamOptions options;
  StreamMemory memory;
  EventFd toThread;
  EventFd toJs;
  std::atomic<uint32_t> events{0};
  std::atomic<bool> stop{false};
  Negotiated negotiated;
  Failure failure;
};

}  // namespace kvm_audio
