#pragma once

#include <napi.h>
#include <opus.h>

#include <memory>

#include "../roles.h"

namespace kvm_audio {

/**
 * One libopus encoder at 48 kHz. Called on one thread at a time. Every method returns what
 * libopus returned (a negative OPUS_* code for a failure) and never throws, but for the
 * constructor; naming the failure is TypeScript's work. A closed encoder answers
 * OPUS_INVALID_STATE.
 */
class Encoder : public Napi::ObjectWrap<Encoder> {
 public:
  static Napi::Function define(Napi::Env env);

  /** (application: OPUS_APPLICATION_*, channels) */
  explicit Encoder(const Napi::CallbackInfo& info);

 private:
  // libopus' encoder, as a fast path may hold it.
  struct Held final : PacketEncoder {
    struct Destroy {
      void operator()(OpusEncoder* encoder) const { opus_encoder_destroy(encoder); }
    };
    int encodePacket(const int16_t* pcm, int frames, uint8_t* out, int room) override;
    std::unique_ptr<OpusEncoder, Destroy> encoder;
  };

  /** (pcm: Int16Array, frames, out: Uint8Array) → bytes written */
  Napi::Value encode(const Napi::CallbackInfo& info);
  /** (request: OPUS_SET_*, value) → 0; a request that takes a pointer is OPUS_UNIMPLEMENTED */
  Napi::Value set(const Napi::CallbackInfo& info);
  /** (request: OPUS_GET_*) → its value; failures as for set() */
  Napi::Value get(const Napi::CallbackInfo& info);
  /** () → the range coder's state after the last packet, as uint32; 0 when closed */
  Napi::Value finalRange(const Napi::CallbackInfo& info);
  /** () → the PacketEncoder, for a fast path */
  Napi::Value role(const Napi::CallbackInfo& info);
  /** () → 0 */
  Napi::Value reset(const Napi::CallbackInfo& info);
  /** Frees the encoder. Idempotent. */
  Napi::Value close(const Napi::CallbackInfo& info);

  OpusEncoder* raw() const { return held_->encoder.get(); }

  const std::shared_ptr<Held> held_;
  int channels_ = 0;
};

}  // namespace kvm_audio
