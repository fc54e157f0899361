#pragma once

namespace kvm_audio {

// A non-blocking eventfd: one side signals, the other polls and clears.
class EventFd {
 public:
  EventFd();
  ~EventFd();
  EventFd(const EventFd&) = delete;
  EventFd& operator=(const EventFd&) = delete;

  bool valid() const { return fd_ >= 0; }
  int fd() const { return fd_; }
  void signal();
  void clear();
  // Only once nobody else can use it.
  void close();

 private:
  int fd_;
};

}  // namespace kvm_audio
