#include "UnixSocket.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <cerrno>

#include "../views.h"
#include "callback.h"

namespace kvm_audio {

Napi::Function UnixSocket::define(Napi::Env env) {
  return DefineClass(env, "UnixSocket",
                     {
                         InstanceMethod<&UnixSocket::send>("send"),
                         InstanceMethod<&UnixSocket::sendPacket>("sendPacket"),
                         InstanceMethod<&UnixSocket::gate>("gate"),
                         InstanceMethod<&UnixSocket::lend>("lend"),
                         InstanceMethod<&UnixSocket::takeBack>("takeBack"),
                         InstanceMethod<&UnixSocket::wantRoom>("wantRoom"),
                         InstanceMethod<&UnixSocket::wantPacketRoom>("wantPacketRoom"),
                         InstanceMethod<&UnixSocket::shutdown>("shutdown"),
                         InstanceMethod<&UnixSocket::close>("close"),
                         StaticValue("writable", Napi::Number::New(env, kWritable)),
                     });
}

UnixSocket::UnixSocket(const Napi::CallbackInfo& info) : Napi::ObjectWrap<UnixSocket>(info) {
  const Napi::Env env = info.Env();
  const auto view = byteView(info[1]);
  fd_ = intOr(info[0], -1);
  buffer_ = view.data;
  capacity_ = view.length;
  bufferReference_ = Napi::Reference<Napi::Value>::New(info[1], 1);
  onEvent_ = Napi::Persistent(info[2].As<Napi::Function>());
  context_ = std::make_unique<Napi::AsyncContext>(env, "KvmAudioSocket");
  int error = watch_.open(env, fd_);
  if (error == 0) error = look();
  if (error != 0) {
    fd_ = -1;
    watch_.close();
    Napi::Error::New(env, uv_strerror(error)).ThrowAsJavaScriptException();
    return;
  }
  gate_ = std::make_shared<SocketGate>(fd_);
  Ref();
}

UnixSocket::~UnixSocket() { release(); }

int UnixSocket::look() {
  return watch_.look((reading_ && !lent_ ? UV_READABLE : 0) | (wantRoom_ ? UV_WRITABLE : 0));
}

void UnixSocket::onEvents(int events) {
  const Napi::Env env = Env();
  const Napi::HandleScope scope(env);
  // JavaScript may close this in a callback; it stays alive as long as the handle does.
  [[maybe_unused]] const Napi::Object self = Value();
  if ((events & UV_WRITABLE) != 0 && wantRoom_) {
    wantRoom_ = false;
    look();
    tell(kWritable);
  }
  if ((events & UV_READABLE) != 0 && reading_ && !lent_ && fd_ >= 0) receive();
}

void UnixSocket::onRead() {
  const Napi::HandleScope scope(Env());
  [[maybe_unused]] const Napi::Object self = Value();
  tell(kWritable);
}

void UnixSocket::receive() {
  const ssize_t count = recv(fd_, buffer_ + offset_, capacity_ - offset_, MSG_DONTWAIT);
  const int error = count < 0 ? errno : 0;
  if (count > 0) {
    placed_ = false;
    const int32_t next =
        callFromLoop(Env(), onEvent_, *context_, static_cast<int32_t>(count), -1);
    if (placed_) {
      // It is behind what was told since.
    } else if (next >= 0 && static_cast<size_t>(next) < capacity_) {
      offset_ = static_cast<size_t>(next);
    } else {
      reading_ = false;
    }
  } else if (error != EAGAIN && error != EINTR) {
    reading_ = false;
  }
  // Also where it goes on: a socket whose error comes behind what was read is not looked at.
  look();
  if (count <= 0 && !reading_) tell(count == 0 ? 0 : -error);
}

void UnixSocket::tell(int32_t what) { callFromLoop(Env(), onEvent_, *context_, what, 0); }

Napi::Value UnixSocket::send(const Napi::CallbackInfo& info) {
  return sendRange(info, &SocketGate::send);
}

Napi::Value UnixSocket::sendPacket(const Napi::CallbackInfo& info) {
  return sendRange(info, &SocketGate::sendPacket);
}

Napi::Value UnixSocket::sendRange(const Napi::CallbackInfo& info, SendCall call) {
  const auto view = byteView(info[0]);
  const int32_t start = intOr(info[1], -1);
  const int32_t end = intOr(info[2], -1);
  const bool bad = !view.ok || start < 0 || end <= start || static_cast<size_t>(end) > view.length;
  const int32_t result = fd_ < 0 ? -EBADF
                         : bad   ? -EINVAL
                                 : ((*gate_).*call)(view.data + start, end - start);
  return Napi::Number::New(info.Env(), result);
}

Napi::Value UnixSocket::gate(const Napi::CallbackInfo& info) {
  return kvm_audio::lend<PacketGate>(info.Env(), gate_);
}

Napi::Value UnixSocket::lend(const Napi::CallbackInfo& info) {
  if (fd_ < 0 || !reading_ || lent_) return Napi::Number::New(info.Env(), -EBADF);
  const int lent = fcntl(fd_, F_DUPFD_CLOEXEC, 0);
  if (lent < 0) return Napi::Number::New(info.Env(), -errno);
  lent_ = true;
  look();
  return Napi::Number::New(info.Env(), lent);
}

Napi::Value UnixSocket::takeBack(const Napi::CallbackInfo& info) {
  const int32_t next = intOr(info[0], -1);
  lent_ = false;
  if (next >= 0 && static_cast<size_t>(next) < capacity_) {
    offset_ = static_cast<size_t>(next);
    placed_ = true;
  }
  look();
  return info.Env().Undefined();
}

Napi::Value UnixSocket::wantRoom(const Napi::CallbackInfo& info) {
  wantRoom_ = true;
  look();
  return info.Env().Undefined();
}

Napi::Value UnixSocket::wantPacketRoom(const Napi::CallbackInfo& info) {
  if (fd_ >= 0) reads_.want(info.Env(), fd_);
  return info.Env().Undefined();
}

Napi::Value UnixSocket::shutdown(const Napi::CallbackInfo& info) {
  if (gate_) gate_->shutdown();
  return info.Env().Undefined();
}

Napi::Value UnixSocket::close(const Napi::CallbackInfo& info) {
  const bool open = fd_ >= 0;
  release();
  if (!open) return info.Env().Undefined();
  // What JavaScript told us to call refers to this object: the two would keep each other for ever,
  // and the receive buffer with them. A call that is being made has its own hold on the function.
  onEvent_.Reset();
  bufferReference_.Reset();
  buffer_ = nullptr;
  capacity_ = 0;
  Unref();
  return info.Env().Undefined();
}

void UnixSocket::release() {
  watch_.close();
  reads_.close();
  // A thread that still holds the gate finds it closed.
  if (gate_) gate_->close();
  fd_ = -1;
}

}  // namespace kvm_audio
