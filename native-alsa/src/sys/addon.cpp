#include <napi.h>

#include "UnixListener.h"
#include "UnixSocket.h"
#include "Watch.h"
#include "calls.h"
#include "cleanMappings.h"

namespace {

Napi::Object init(Napi::Env env, Napi::Object exports) {
  using namespace kvm_audio;
  env.SetInstanceData(new Watches(env));
  exports.Set("UnixSocket", UnixSocket::define(env));
  exports.Set("UnixListener", UnixListener::define(env));
  exports.Set("listenUnix", Napi::Function::New<listenUnix>(env));
  exports.Set("socketPair", Napi::Function::New<socketPair>(env));
  exports.Set("duplicate", Napi::Function::New<duplicate>(env));
  exports.Set("peer", Napi::Function::New<peer>(env));
  exports.Set("lock", Napi::Function::New<lock>(env));
  exports.Set("endWithParent", Napi::Function::New<endWithParent>(env));
  exports.Set("processCpuMs", Napi::Function::New<processCpuMs>(env));
  exports.Set("machine", Napi::Function::New<machine>(env));
  exports.Set("unmapUnused", Napi::Function::New<unmapUnused>(env));
  return exports;
}

}  // namespace

NODE_API_MODULE(sys, init)
