#include "Decoder.h"

#include "../views.h"

namespace kvm_audio {

namespace {

constexpr opus_int32 kRateHz = 48000;
constexpr opus_int32 kFramesStep = 120;  // 2.5 ms
constexpr opus_int32 kFramesMax = 5760;  // 120 ms

}  // namespace

Napi::Function Decoder::define(Napi::Env env) {
  return DefineClass(env, "Decoder",
                     {
                         InstanceMethod<&Decoder::decode>("decode"),
                         InstanceMethod<&Decoder::decodeFec>("decodeFec"),
                         InstanceMethod<&Decoder::conceal>("conceal"),
                         InstanceMethod<&Decoder::finalRange>("finalRange"),
                         InstanceMethod<&Decoder::role>("role"),
                         InstanceMethod<&Decoder::reset>("reset"),
                         InstanceMethod<&Decoder::close>("close"),
                     });
}

Decoder::Decoder(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<Decoder>(info), held_(std::make_shared<Held>()) {
  const int channels = intOr(info[0], 0);
  int code = OPUS_OK;
  held_->decoder.reset(opus_decoder_create(kRateHz, channels, &code));
  if (code != OPUS_OK || !raw()) {
    held_->decoder.reset();
    Napi::Error error = Napi::Error::New(info.Env(), opus_strerror(code));
    error.Set("opusCode", Napi::Number::New(info.Env(), code));
    error.ThrowAsJavaScriptException();
    return;
  }
  channels_ = channels;
}

int Decoder::checkFrames(int frames, size_t length) const {
  if (frames <= 0 || frames > kFramesMax || frames % kFramesStep != 0) return OPUS_BAD_ARG;
  const size_t samples = static_cast<size_t>(frames) * static_cast<size_t>(channels_);
  return samples <= length ? OPUS_OK : OPUS_BUFFER_TOO_SMALL;
}

Napi::Value Decoder::decode(const Napi::CallbackInfo& info) {
  const auto answer = [&](int code) { return Napi::Number::New(info.Env(), code); };
  if (!raw()) return answer(OPUS_INVALID_STATE);
  const auto packet = byteView(info[0]);
  const auto out = pcmView(info[1]);
  if (!packet.ok || !out.ok) return answer(OPUS_BAD_ARG);
  // libopus takes an empty packet for a lost one.
  if (packet.length == 0 || packet.length > INT32_MAX) return answer(OPUS_INVALID_PACKET);
  const size_t room = out.length / static_cast<size_t>(channels_);
  const int frames = static_cast<int>(room < kFramesMax ? room : kFramesMax);
  if (frames == 0) return answer(OPUS_BUFFER_TOO_SMALL);
  return answer(opus_decode(raw(), packet.data, static_cast<opus_int32>(packet.length),
                            out.data, frames, 0));
}

Napi::Value Decoder::decodeFec(const Napi::CallbackInfo& info) {
  const auto answer = [&](int code) { return Napi::Number::New(info.Env(), code); };
  if (!raw()) return answer(OPUS_INVALID_STATE);
  const auto packet = byteView(info[0]);
  const int frames = intOr(info[1], 0);
  const auto out = pcmView(info[2]);
  if (!packet.ok || !out.ok) return answer(OPUS_BAD_ARG);
  if (packet.length == 0 || packet.length > INT32_MAX) return answer(OPUS_INVALID_PACKET);
  const int code = checkFrames(frames, out.length);
  if (code != OPUS_OK) return answer(code);
  return answer(opus_decode(raw(), packet.data, static_cast<opus_int32>(packet.length),
                            out.data, frames, 1));
}

Napi::Value Decoder::conceal(const Napi::CallbackInfo& info) {
  const auto answer = [&](int code) { return Napi::Number::New(info.Env(), code); };
  if (!raw()) return answer(OPUS_INVALID_STATE);
  const int frames = intOr(info[0], 0);
  const auto out = pcmView(info[1]);
  if (!out.ok) return answer(OPUS_BAD_ARG);
  const int code = checkFrames(frames, out.length);
  if (code != OPUS_OK) return answer(code);
  return answer(opus_decode(raw(), nullptr, 0, out.data, frames, 0));
}

Napi::Value Decoder::finalRange(const Napi::CallbackInfo& info) {
  opus_uint32 range = 0;
  if (raw()) opus_decoder_ctl(raw(), OPUS_GET_FINAL_RANGE(&range));
  return Napi::Number::New(info.Env(), range);
}

int Decoder::Held::framesOf(const uint8_t* packet, int bytes) const {
  if (!decoder) return OPUS_INVALID_STATE;
  return opus_decoder_get_nb_samples(decoder.get(), packet, bytes);
}

int Decoder::Held::decodePacket(const uint8_t* packet, int bytes, int16_t* out, int framesMax) {
  if (!decoder) return OPUS_INVALID_STATE;
  return opus_decode(decoder.get(), packet, bytes, out, framesMax, 0);
}

int Decoder::Held::concealMissing(int frames, int16_t* out) {
  if (!decoder) return OPUS_INVALID_STATE;
  return opus_decode(decoder.get(), nullptr, 0, out, frames, 0);
}

Napi::Value Decoder::role(const Napi::CallbackInfo& info) {
  return lend<PacketDecoder>(info.Env(), held_);
}

Napi::Value Decoder::reset(const Napi::CallbackInfo& info) {
  const int code =
      raw() ? opus_decoder_ctl(raw(), OPUS_RESET_STATE) : OPUS_INVALID_STATE;
  return Napi::Number::New(info.Env(), code);
}

Napi::Value Decoder::close(const Napi::CallbackInfo& info) {
  held_->decoder.reset();
  return info.Env().Undefined();
}

}  // namespace kvm_audio
