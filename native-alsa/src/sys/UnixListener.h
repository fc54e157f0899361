#pragma once

#include <napi.h>

#include <memory>

#include "Watch.h"

namespace kvm_audio {

// Accepts on a listening socket: new UnixListener(fd, onAccept). Owns the descriptor until close().
// onAccept is told the descriptor of a connection, or -errno.
class UnixListener : public Napi::ObjectWrap<UnixListener>, private WatchOwner {
 public:
  static Napi::Function define(Napi::Env env);

  explicit UnixListener(const Napi::CallbackInfo& info);
  ~UnixListener() override { release(); }

 private:
  // (boolean): clients wait in the backlog while it is off.
  Napi::Value accepting(const Napi::CallbackInfo& info);
  Napi::Value close(const Napi::CallbackInfo& info);

  void onEvents(int events) override;
  void onEnvironmentEnd() override { release(); }
  void release();

  int fd_ = -1;
  Watch watch_{*this};
  Napi::FunctionReference onAccept_;
  std::unique_ptr<Napi::AsyncContext> context_;
};

}  // namespace kvm_audio
