#include "UnixSocket.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "../views.h"
#include "callback.h"

namespace kvm_audio {

namespace {

// The kernel doubles it. A message of at most half of what it makes of it, less 64 bytes, is one
// piece of its queue (unix_stream_sendmsg): the largest audio packet is, and hardly more than two
// of them find room.
constexpr int kSendBufferBytes = 4400;

// What the kernel spends at most on one message that is one piece: twice its bytes, as memory
// comes in sizes of powers of two, and what the piece itself takes. Measured on Linux 6.18, x86-64:
// 60 bytes take 768, 300 take 1,280, 800 take 2,304, 2,400 take 4,352.
int memoryOfOneMax(int bytes) { return 2 * bytes + 1024; }

// Memory of what the other end has not read yet, as the kernel accounts for it. A piece is freed
// when its last byte was read.
int unreadMemory(int fd) {
  int bytes = 0;
  return ioctl(fd, SIOCOUTQ, &bytes) == 0 ? bytes : 0;
}

}  // namespace

Napi::Function UnixSocket::define(Napi::Env env) {
  return DefineClass(env, "UnixSocket",
                     {
                         InstanceMethod<&UnixSocket::send>("send"),
                         InstanceMethod<&UnixSocket::sendPacket>("sendPacket"),
                         InstanceMethod<&UnixSocket::wantRoom>("wantRoom"),
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
  setsockopt(fd_, SOL_SOCKET, SO_SNDBUF, &kSendBufferBytes, sizeof kSendBufferBytes);
  int error = watch_.open(env, fd_);
  if (error == 0) error = look();
  if (error != 0) {
    fd_ = -1;
    watch_.close();
    Napi::Error::New(env, uv_strerror(error)).ThrowAsJavaScriptException();
    return;
  }
  Ref();
}

UnixSocket::~UnixSocket() {
  watch_.close();
  if (fd_ >= 0) ::close(fd_);
}

int UnixSocket::look() {
  return watch_.look((reading_ ? UV_READABLE : 0) | (wantRoom_ ? UV_WRITABLE : 0));
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
  if ((events & UV_READABLE) != 0 && reading_ && fd_ >= 0) receive();
}

void UnixSocket::receive() {
  const ssize_t count = recv(fd_, buffer_ + offset_, capacity_ - offset_, MSG_DONTWAIT);
  const int error = count < 0 ? errno : 0;
  if (count > 0) {
    const int32_t next =
        callFromLoop(Env(), onEvent_, *context_, static_cast<int32_t>(count), -1);
    if (next >= 0 && static_cast<size_t>(next) < capacity_) {
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

int32_t UnixSocket::sendRange(const Napi::CallbackInfo& info) {
  const auto view = byteView(info[0]);
  const int32_t start = intOr(info[1], -1);
  const int32_t end = intOr(info[2], -1);
  if (fd_ < 0) return -EBADF;
  if (!view.ok || start < 0 || end <= start || static_cast<size_t>(end) > view.length)
    return -EINVAL;
  const ssize_t sent = ::send(fd_, view.data + start, static_cast<size_t>(end - start),
                              MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent >= 0) return static_cast<int32_t>(sent);
  return errno == EAGAIN || errno == EINTR || errno == ENOBUFS ? 0 : -errno;
}

Napi::Value UnixSocket::send(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), sendRange(info));
}

Napi::Value UnixSocket::sendPacket(const Napi::CallbackInfo& info) {
  // More unread than the last one can be: there is another before it.
  if (fd_ >= 0 && unreadMemory(fd_) > memoryOfOneMax(lastPacketBytes_))
    return Napi::Number::New(info.Env(), 0);
  const int32_t sent = sendRange(info);
  if (sent > 0) lastPacketBytes_ = sent;
  return Napi::Number::New(info.Env(), sent);
}

Napi::Value UnixSocket::wantRoom(const Napi::CallbackInfo& info) {
  wantRoom_ = true;
  look();
  return info.Env().Undefined();
}

Napi::Value UnixSocket::shutdown(const Napi::CallbackInfo& info) {
  if (fd_ >= 0) ::shutdown(fd_, SHUT_WR);
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
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

}  // namespace kvm_audio
