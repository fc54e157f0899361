#include "Encoder.h"

#include "../views.h"

namespace kvm_audio {

namespace {

constexpr opus_int32 kRateHz = 48000;
// 120 ms, the longest that any Opus packet holds (RFC 6716 §3.2.5).
constexpr opus_int32 kFramesMax = 5760;

// opus_encoder_ctl is variadic: a request that expects a pointer would write through our integer.
// So only these are passed on.
bool isIntegerSet(int request) {
  switch (request) {
    case OPUS_SET_BITRATE_REQUEST:
    case OPUS_SET_COMPLEXITY_REQUEST:
    case OPUS_SET_VBR_REQUEST:
    case OPUS_SET_VBR_CONSTRAINT_REQUEST:
    case OPUS_SET_DTX_REQUEST:
    case OPUS_SET_INBAND_FEC_REQUEST:
    case OPUS_SET_PACKET_LOSS_PERC_REQUEST:
    case OPUS_SET_SIGNAL_REQUEST:
    case OPUS_SET_MAX_BANDWIDTH_REQUEST:
    case OPUS_SET_FORCE_CHANNELS_REQUEST:
    case OPUS_SET_APPLICATION_REQUEST:
      return true;
    default:
      return false;
  }
}

bool isIntegerGet(int request) {
  switch (request) {
    case OPUS_GET_BITRATE_REQUEST:
    case OPUS_GET_COMPLEXITY_REQUEST:
    case OPUS_GET_VBR_REQUEST:
    case OPUS_GET_VBR_CONSTRAINT_REQUEST:
    case OPUS_GET_DTX_REQUEST:
    case OPUS_GET_INBAND_FEC_REQUEST:
    case OPUS_GET_PACKET_LOSS_PERC_REQUEST:
    case OPUS_GET_SIGNAL_REQUEST:
    case OPUS_GET_MAX_BANDWIDTH_REQUEST:
    case OPUS_GET_FORCE_CHANNELS_REQUEST:
    case OPUS_GET_APPLICATION_REQUEST:
    case OPUS_GET_LOOKAHEAD_REQUEST:
    case OPUS_GET_SAMPLE_RATE_REQUEST:
      return true;
    default:
      return false;
  }
}

}  // namespace

Napi::Function Encoder::define(Napi::Env env) {
  return DefineClass(env, "Encoder",
                     {
                         InstanceMethod<&Encoder::encode>("encode"),
                         InstanceMethod<&Encoder::set>("set"),
                         InstanceMethod<&Encoder::get>("get"),
                         InstanceMethod<&Encoder::finalRange>("finalRange"),
                         InstanceMethod<&Encoder::role>("role"),
                         InstanceMethod<&Encoder::reset>("reset"),
                         InstanceMethod<&Encoder::close>("close"),
                     });
}

Encoder::Encoder(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<Encoder>(info), held_(std::make_shared<Held>()) {
  const int channels = intOr(info[1], 0);
  int code = OPUS_OK;
  held_->encoder.reset(opus_encoder_create(kRateHz, channels, intOr(info[0], 0), &code));
  if (code != OPUS_OK || !raw()) {
    held_->encoder.reset();
    Napi::Error error = Napi::Error::New(info.Env(), opus_strerror(code));
    error.Set("opusCode", Napi::Number::New(info.Env(), code));
    error.ThrowAsJavaScriptException();
    return;
  }
  channels_ = channels;
}

Napi::Value Encoder::encode(const Napi::CallbackInfo& info) {
  const auto answer = [&](int code) { return Napi::Number::New(info.Env(), code); };
  if (!raw()) return answer(OPUS_INVALID_STATE);
  const auto pcm = pcmView(info[0]);
  const opus_int32 frames = intOr(info[1], 0);
  const auto out = byteView(info[2]);
  if (!pcm.ok || !out.ok || frames <= 0 || frames > kFramesMax ||
      pcm.length < static_cast<size_t>(frames) * static_cast<size_t>(channels_))
    return answer(OPUS_BAD_ARG);
  if (out.length == 0) return answer(OPUS_BUFFER_TOO_SMALL);
  const auto room = static_cast<opus_int32>(out.length < INT32_MAX ? out.length : INT32_MAX);
  return answer(opus_encode(raw(), pcm.data, frames, out.data, room));
}

Napi::Value Encoder::set(const Napi::CallbackInfo& info) {
  const auto answer = [&](int code) { return Napi::Number::New(info.Env(), code); };
  if (!raw()) return answer(OPUS_INVALID_STATE);
  const int request = intOr(info[0], 0);
  if (!isIntegerSet(request)) return answer(OPUS_UNIMPLEMENTED);
  const opus_int32 value = intOr(info[1], INT32_MIN);
  return answer(opus_encoder_ctl(raw(), request, value));
}

Napi::Value Encoder::get(const Napi::CallbackInfo& info) {
  const auto answer = [&](int code) { return Napi::Number::New(info.Env(), code); };
  if (!raw()) return answer(OPUS_INVALID_STATE);
  const int request = intOr(info[0], 0);
  if (!isIntegerGet(request)) return answer(OPUS_UNIMPLEMENTED);
  opus_int32 value = 0;
  const int code = opus_encoder_ctl(raw(), request, &value);
  return answer(code == OPUS_OK ? value : code);
}

Napi::Value Encoder::finalRange(const Napi::CallbackInfo& info) {
  opus_uint32 range = 0;
  if (raw()) opus_encoder_ctl(raw(), OPUS_GET_FINAL_RANGE(&range));
  return Napi::Number::New(info.Env(), range);
}

int Encoder::Held::encodePacket(const int16_t* pcm, int frames, uint8_t* out, int room) {
  if (!encoder) return OPUS_INVALID_STATE;
  return opus_encode(encoder.get(), pcm, frames, out, room);
}

Napi::Value Encoder::role(const Napi::CallbackInfo& info) {
  return lend<PacketEncoder>(info.Env(), held_);
}

Napi::Value Encoder::reset(const Napi::CallbackInfo& info) {
  const int code =
      raw() ? opus_encoder_ctl(raw(), OPUS_RESET_STATE) : OPUS_INVALID_STATE;
  return Napi::Number::New(info.Env(), code);
}

Napi::Value Encoder::close(const Napi::CallbackInfo& info) {
  held_->encoder.reset();
  return info.Env().Undefined();
}

}  // namespace kvm_audio
