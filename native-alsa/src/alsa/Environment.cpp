#include "Environment.h"

#include <algorithm>
#include <vector>

#include "Stream.h"
#include "clock.h"

namespace kvm_audio {

namespace {

constexpr int64_t kCleanUpNsMax = 500'000'000;

}  // namespace

Environment::Environment(Napi::Env env) {
  // Asynchronous, so that the event loop runs once more and closes the watches.
  napi_add_async_cleanup_hook(env, cleanUp, this, nullptr);
}

Environment& Environment::of(Napi::Env env) { return *env.GetInstanceData<Environment>(); }

void Environment::cleanUp(napi_async_cleanup_hook_handle handle, void* self) {
  const std::unordered_set<Stream*> streams =
      std::move(static_cast<Environment*>(self)->streams_);
  for (Stream* stream : streams) stream->requestStop();
  const int64_t until = monotonicNs() + kCleanUpNsMax;
  for (Stream* stream : streams) {
    stream->letGo(std::max<int64_t>(0, until - monotonicNs()));
  }
  napi_remove_async_cleanup_hook(handle);
}

}  // namespace kvm_audio
