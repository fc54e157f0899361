#pragma once

#include <napi.h>

#include "Watch.h"

namespace kvm_audio {

// Who is told that the other end has read something.
class ReadWatchOwner {
 public:
  virtual ~ReadWatchOwner() = default;
  // May close the watch.
  virtual void onRead() = 0;
};

// Tells that the other end of a Unix stream socket has read something. That a socket can be written
// to says how full it is, and is so all the time where little is unread; asked for its edges alone,
// epoll tells each read that leaves it so. Costs nothing until the first want(), and little while
// nothing is wanted. Not copied, not moved.
class ReadWatch : private WatchOwner {
 public:
  explicit ReadWatch(ReadWatchOwner& owner) : owner_(owner) {}
  ~ReadWatch() override { close(); }
  ReadWatch(const ReadWatch&) = delete;
  ReadWatch& operator=(const ReadWatch&) = delete;

  // Tells the next read, or one that may have been meanwhile. Returns 0 or a negative errno.
  int want(Napi::Env env, int socket);
  // Before the socket is closed. Idempotent.
  void close();

 private:
  void onEvents(int events) override;
  void onEnvironmentEnd() override { close(); }
  int open(Napi::Env env);

  ReadWatchOwner& owner_;
  Watch watch_{*this};
  int epoll_ = -1;
  int socket_ = -1;
  bool wanted_ = false;
};

}  // namespace kvm_audio
