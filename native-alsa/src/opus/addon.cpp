#include <napi.h>
#include <opus.h>

#include "Decoder.h"
#include "Encoder.h"

namespace {

Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports.Set("version", Napi::String::New(env, opus_get_version_string()));
  exports.Set("Encoder", kvm_audio::Encoder::define(env));
  exports.Set("Decoder", kvm_audio::Decoder::define(env));
  return exports;
}

}  // namespace

NODE_API_MODULE(opus, init)
