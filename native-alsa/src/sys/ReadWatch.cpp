#include "ReadWatch.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <cerrno>

namespace kvm_audio {

int ReadWatch::open(Napi::Env env) {
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  if (epoll_ < 0) return -errno;
  const int error = watch_.open(env, epoll_);
  if (error != 0) close();
  return error;
}

int ReadWatch::want(Napi::Env env, int socket) {
  wanted_ = true;
  if (socket_ >= 0) return 0;
  if (const int error = epoll_ < 0 ? open(env) : 0; error != 0) return error;
  epoll_event event{};
  event.events = EPOLLOUT | EPOLLET;
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, socket, &event) != 0) return -errno;
  socket_ = socket;
  return watch_.look(UV_READABLE);
}

void ReadWatch::onEvents(int /*events*/) {
  epoll_event event{};
  epoll_wait(epoll_, &event, 1, 0);
  wanted_ = false;
  owner_.onRead();
  if (wanted_ || socket_ < 0) return;
  epoll_ctl(epoll_, EPOLL_CTL_DEL, socket_, nullptr);
  socket_ = -1;
  watch_.look(0);
}

void ReadWatch::close() {
  watch_.close();
  if (epoll_ >= 0) ::close(epoll_);
  epoll_ = -1;
  socket_ = -1;
}

}  // namespace kvm_audio
