#include "UnixListener.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "../views.h"
#include "callback.h"

namespace kvm_audio {

Napi::Function UnixListener::define(Napi::Env env) {
  return DefineClass(env, "UnixListener",
                     {
                         InstanceMethod<&UnixListener::accepting>("accepting"),
                         InstanceMethod<&UnixListener::close>("close"),
                     });
}

UnixListener::UnixListener(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<UnixListener>(info) {
  const Napi::Env env = info.Env();
  onAccept_ = Napi::Persistent(info[1].As<Napi::Function>());
  context_ = std::make_unique<Napi::AsyncContext>(env, "KvmAudioListener");
  const int fd = intOr(info[0], -1);
  int error = watch_.open(env, fd);
  if (error == 0) error = watch_.look(UV_READABLE);
  if (error != 0) {
    watch_.close();
    Napi::Error::New(env, uv_strerror(error)).ThrowAsJavaScriptException();
    return;
  }
  fd_ = fd;
  Ref();
}

// One a wake-up: the next is told at once, and a flood leaves time for what else is to be done.
void UnixListener::onEvents(int) {
  const Napi::Env env = Env();
  const Napi::HandleScope scope(env);
  [[maybe_unused]] const Napi::Object self = Value();
  const int fd = accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)) return;
  callFromLoop(env, onAccept_, *context_, fd < 0 ? -errno : fd, 0);
}

Napi::Value UnixListener::accepting(const Napi::CallbackInfo& info) {
  watch_.look(info[0].ToBoolean() ? UV_READABLE : 0);
  return info.Env().Undefined();
}

Napi::Value UnixListener::close(const Napi::CallbackInfo& info) {
  const bool open = fd_ >= 0;
  release();
  if (!open) return info.Env().Undefined();
  // See UnixSocket::close.
  onAccept_.Reset();
  Unref();
  return info.Env().Undefined();
}

void UnixListener::release() {
  watch_.close();
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

}  // namespace kvm_audio
