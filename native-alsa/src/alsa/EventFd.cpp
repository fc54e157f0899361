#include "EventFd.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

namespace kvm_audio {

EventFd::EventFd() : fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}

EventFd::~EventFd() { close(); }

void EventFd::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

void EventFd::signal() {
  const uint64_t one = 1;
  // It fails only with a counter that is full: then the reader is awake already.
  if (write(fd_, &one, sizeof one) < 0) return;
}

void EventFd::clear() {
  uint64_t count;
  if (read(fd_, &count, sizeof count) < 0) return;
}

}  // namespace kvm_audio
