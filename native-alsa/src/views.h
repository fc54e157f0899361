#pragma once

#include <napi.h>

#include <cstddef>
#include <cstdint>

namespace kvm_audio {

/**
 * What a typed array handed in by JavaScript covers right now. Valid until the call returns; it
 * owns nothing and allocates nothing. `data` already accounts for the view's byteOffset.
 * A value of another type, or a detached buffer, gives `ok == false` or `length == 0`.
 */
template <typename T>
struct View {
  T* data = nullptr;
  size_t length = 0;
  bool ok = false;
};

template <typename T>
inline View<T> viewOf(const Napi::Value& value, napi_typedarray_type wanted) {
  View<T> view;
  bool isTyped = false;
  if (napi_is_typedarray(value.Env(), value, &isTyped) != napi_ok || !isTyped) return view;
  napi_typedarray_type type;
  void* data = nullptr;
  size_t length = 0;
  if (napi_get_typedarray_info(value.Env(), value, &type, &length, &data, nullptr, nullptr) !=
          napi_ok ||
      type != wanted)
    return view;
  view.data = static_cast<T*>(data);
  view.length = data == nullptr ? 0 : length;
  view.ok = true;
  return view;
}

inline View<int16_t> pcmView(const Napi::Value& value) {
  return viewOf<int16_t>(value, napi_int16_array);
}

inline View<uint8_t> byteView(const Napi::Value& value) {
  return viewOf<uint8_t>(value, napi_uint8_array);
}

inline View<double> doubleView(const Napi::Value& value) {
  return viewOf<double>(value, napi_float64_array);
}

/** The argument as an int32, or `fallback` where it is not a number. */
inline int32_t intOr(const Napi::Value& value, int32_t fallback) {
  int32_t result = 0;
  return napi_get_value_int32(value.Env(), value, &result) == napi_ok ? result : fallback;
}

}  // namespace kvm_audio
