#pragma once

#include <napi.h>
#include <node_api.h>

#include <unordered_set>

namespace kvm_audio {

class Stream;

// What the addon keeps per JavaScript environment (main thread or worker): the streams that have
// a thread. When the environment goes, each is stopped and waited for, with one limit for all.
class Environment {
 public:
  explicit Environment(Napi::Env env);
  static Environment& of(Napi::Env env);

  void add(Stream* stream) { streams_.insert(stream); }
  void remove(Stream* stream) { streams_.erase(stream); }

 private:
  static void cleanUp(napi_async_cleanup_hook_handle handle, void* self);

  std::unordered_set<Stream*> streams_;
};

}  // namespace kvm_audio
