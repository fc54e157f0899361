#pragma once

#include <napi.h>

namespace kvm_audio {

// Calls JavaScript from the event loop, with ticks and microtasks after it. An exception becomes
// `uncaughtException`. Returns the int32 that the function returned, or `fallback`.
inline int32_t callFromLoop(Napi::Env env, const Napi::FunctionReference& function,
                            napi_async_context context, int32_t argument, int32_t fallback) {
  const Napi::HandleScope scope(env);
  napi_value value = Napi::Number::New(env, argument);
  napi_value result = nullptr;
  int32_t answer = fallback;
  // The C call: in a worker that is being terminated it fails, which is no reason to abort.
  const napi_status status =
      napi_make_callback(env, context, env.Global(), function.Value(), 1, &value, &result);
  if (status == napi_ok) {
    if (napi_get_value_int32(env, result, &answer) != napi_ok) answer = fallback;
    return answer;
  }
  napi_value exception = nullptr;
  bool pending = false;
  if (napi_is_exception_pending(env, &pending) != napi_ok || !pending) return fallback;
  if (napi_get_and_clear_last_exception(env, &exception) != napi_ok) return fallback;
  napi_fatal_exception(env, exception);
  return fallback;
}

}  // namespace kvm_audio
