#include "Watch.h"

#include <memory>

namespace kvm_audio {

int Watch::open(Napi::Env env, int fd) {
  uv_loop_t* loop = nullptr;
  if (napi_get_uv_event_loop(env, &loop) != napi_ok) return UV_EINVAL;
  auto handle = std::make_unique<uv_poll_t>();
  const int error = uv_poll_init(loop, handle.get(), fd);
  if (error != 0) return error;
  handle_ = handle.release();
  handle_->data = this;
  env_ = env;
  Watches::of(env).add(&owner_);
  return 0;
}

int Watch::look(int events) {
  if (handle_ == nullptr || events == events_) return 0;
  events_ = events;
  return events == 0 ? uv_poll_stop(handle_) : uv_poll_start(handle_, events, onPoll);
}

void Watch::close() {
  if (handle_ == nullptr) return;
  Watches::of(env_).remove(&owner_);
  handle_->data = nullptr;
  uv_close(reinterpret_cast<uv_handle_t*>(handle_),
           [](uv_handle_t* handle) { delete reinterpret_cast<uv_poll_t*>(handle); });
  handle_ = nullptr;
}

// A descriptor in error is readable: the read says what is wrong. libuv has stopped looking at it.
void Watch::onPoll(uv_poll_t* handle, int status, int events) {
  auto* const self = static_cast<Watch*>(handle->data);
  if (self == nullptr) return;
  if (status < 0) self->events_ = 0;
  self->owner_.onEvents(status < 0 ? UV_READABLE : events);
}

Watches::Watches(Napi::Env env) {
  // Asynchronous, so that the event loop runs once more and closes the handles.
  napi_add_async_cleanup_hook(env, cleanUp, this, nullptr);
}

void Watches::cleanUp(napi_async_cleanup_hook_handle handle, void* self) {
  const std::unordered_set<WatchOwner*> owners = static_cast<Watches*>(self)->owners_;
  for (WatchOwner* owner : owners) owner->onEnvironmentEnd();
  napi_remove_async_cleanup_hook(handle);
}

}  // namespace kvm_audio
