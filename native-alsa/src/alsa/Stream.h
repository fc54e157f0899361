#pragma once

#include <napi.h>
#include <uv.h>

#include <memory>

#include "DeviceThread.h"
#include "StreamCore.h"

namespace kvm_audio {

// The JavaScript side of one stream: new Stream(options, onEvents). Owns the thread, the watch on
// its eventfd and the reference to the callback; all methods run on the JavaScript thread.
//
// The watch is a uv_poll_t on the core's own eventfd: unlike a uv_async_t or a thread-safe
// function, nothing that belongs to the event loop is touched by a thread that outlives it.
class Stream : public Napi::ObjectWrap<Stream> {
 public:
  static Napi::Function define(Napi::Env env);

  explicit Stream(const Napi::CallbackInfo& info);
  ~Stream() override;

  // Asks the thread to stop.
  void requestStop();
  // Waits for it, no longer than the limit, and lets go of all that belongs to the event loop.
  bool letGo(int64_t limitNs);
  const std::shared_ptr<StreamCore>& core() const { return core_; }

 private:
  // Wakes the device thread.
  Napi::Value kick(const Napi::CallbackInfo& info);
  Napi::Value stop(const Napi::CallbackInfo& info);
  // Once per stream. With `ended` the thread is joined, without it is left behind unless it has
  // ended all the same. Returns whether it was joined.
  Napi::Value finish(const Napi::CallbackInfo& info);
  Napi::Value memory(const Napi::CallbackInfo& info);
  Napi::Value negotiated(const Napi::CallbackInfo& info);
  Napi::Value failure(const Napi::CallbackInfo& info);

  static void onReadable(uv_poll_t* watch, int status, int events);
  void deliver();
  void closeWatch();

  std::shared_ptr<StreamCore> core_;
  DeviceThread thread_;
  uv_poll_t* watch_ = nullptr;
  Napi::FunctionReference onEvents_;
  std::unique_ptr<Napi::AsyncContext> context_;
};

}  // namespace kvm_audio
