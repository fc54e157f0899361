#pragma once

#include <napi.h>
#include <uv.h>

#include <unordered_set>

namespace kvm_audio {

// Who is told what happens on a descriptor.
class WatchOwner {
 public:
  virtual ~WatchOwner() = default;
  // UV_READABLE, UV_WRITABLE, or both. After an error nothing is looked for any more, until look()
  // is called again. The owner may close its watch in here, and be deleted.
  virtual void onEvents(int events) = 0;
  // The environment ends: let go of all that belongs to the event loop.
  virtual void onEnvironmentEnd() = 0;
};

// One descriptor on the event loop, which it does not own. Not copied, not moved.
class Watch {
 public:
  explicit Watch(WatchOwner& owner) : owner_(owner) {}
  ~Watch() { close(); }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  // Once. Returns 0 or a negative errno.
  int open(Napi::Env env, int fd);
  // What to look for from now on; 0 = nothing. Cheap where nothing changes.
  int look(int events);
  // Before the descriptor is closed. Idempotent.
  void close();

 private:
  static void onPoll(uv_poll_t* handle, int status, int events);

  WatchOwner& owner_;
  uv_poll_t* handle_ = nullptr;
  napi_env env_ = nullptr;
  int events_ = 0;
};

// The watches of one JavaScript environment (main thread or worker), closed with it.
class Watches {
 public:
  explicit Watches(Napi::Env env);
  static Watches& of(Napi::Env env) { return *env.GetInstanceData<Watches>(); }

  void add(WatchOwner* owner) { owners_.insert(owner); }
  void remove(WatchOwner* owner) { owners_.erase(owner); }

 private:
  static void cleanUp(napi_async_cleanup_hook_handle handle, void* self);

  std::unordered_set<WatchOwner*> owners_;
};

}  // namespace kvm_audio
