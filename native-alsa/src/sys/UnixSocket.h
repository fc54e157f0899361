#pragma once

#include <napi.h>

#include <memory>

#include "ReadWatch.h"
#include "SocketGate.h"
#include "Watch.h"

namespace kvm_audio {

// A connected Unix stream socket on the event loop: new UnixSocket(fd, receive, onEvent). Owns the
// descriptor until close(). What arrives is read straight into `receive`.
//
// onEvent(n) is told: n > 0, so many bytes were received; 0, the other end sends no more;
// kWritable, there is room to send (once per wantRoom() or wantPacketRoom()); any other n < 0 is
// -errno.
// After n > 0 it returns where in `receive` the next bytes go, or -1 to read no more.
class UnixSocket : public Napi::ObjectWrap<UnixSocket>,
                   private WatchOwner,
                   private ReadWatchOwner {
 public:
  static constexpr int32_t kWritable = INT32_MIN;

  static Napi::Function define(Napi::Env env);

  explicit UnixSocket(const Napi::CallbackInfo& info);
  ~UnixSocket() override;

 private:
  // (bytes, start, end) -> how many the kernel took, 0 or -errno: see SocketGate.
  Napi::Value send(const Napi::CallbackInfo& info);
  Napi::Value sendPacket(const Napi::CallbackInfo& info);
  // () -> the PacketGate, for a thread.
  Napi::Value gate(const Napi::CallbackInfo& info);
  // () -> another descriptor of it, for a thread that reads from now on in our place, or -errno.
  Napi::Value lend(const Napi::CallbackInfo& info);
  // (next): reads on, where that thread stopped; the bytes go to `next` in `receive`.
  Napi::Value takeBack(const Napi::CallbackInfo& info);
  // Tells kWritable when the kernel has room.
  Napi::Value wantRoom(const Napi::CallbackInfo& info);
  // Tells kWritable when the other end has read something.
  Napi::Value wantPacketRoom(const Napi::CallbackInfo& info);
  // End of stream for the other end.
  Napi::Value shutdown(const Napi::CallbackInfo& info);
  Napi::Value close(const Napi::CallbackInfo& info);

  void onEvents(int events) override;
  void onEnvironmentEnd() override { release(); }
  void onRead() override;
  void receive();
  void tell(int32_t what);
  int look();
  void release();
  using SendCall = int32_t (SocketGate::*)(const uint8_t*, int32_t);
  Napi::Value sendRange(const Napi::CallbackInfo& info, SendCall call);

  int fd_ = -1;
  Watch watch_{*this};
  ReadWatch reads_{*this};
  bool reading_ = true;
  bool wantRoom_ = false;
  bool lent_ = false;
  // takeBack() has said where the next bytes go, while JavaScript was being told of others.
  bool placed_ = false;
  std::shared_ptr<SocketGate> gate_;
  uint8_t* buffer_ = nullptr;
  size_t capacity_ = 0;
  size_t offset_ = 0;
  Napi::Reference<Napi::Value> bufferReference_;
  Napi::FunctionReference onEvent_;
  std::unique_ptr<Napi::AsyncContext> context_;
};

}  // namespace kvm_audio
