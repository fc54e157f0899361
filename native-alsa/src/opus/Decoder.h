#pragma once

#include <napi.h>
#include <opus.h>

#include <memory>

#include "../roles.h"

namespace kvm_audio {

/**
 * One libopus decoder at 48 kHz. Called on one thread at a time. Every method returns what
 * libopus returned (a negative OPUS_* code for a failure) and never throws, but for the
 * constructor. A closed decoder answers OPUS_INVALID_STATE.
 */
class Decoder : public Napi::ObjectWrap<Decoder> {
 public:
  static Napi::Function define(Napi::Env env);

  /** (channels) */
  explicit Decoder(const Napi::CallbackInfo& info);

 private:
  // libopus' decoder, as a fast path may hold it.
  struct Held final : PacketDecoder {
    struct Destroy {
      void operator()(OpusDecoder* decoder) const { opus_decoder_destroy(decoder); }
    };
    int framesOf(const uint8_t* packet, int bytes) const override;
    int decodePacket(const uint8_t* packet, int bytes, int16_t* out, int framesMax) override;
    int concealMissing(int frames, int16_t* out) override;
    std::unique_ptr<OpusDecoder, Destroy> decoder;
  };

  /** (packet: Uint8Array, out: Int16Array) → frames written; no byte at all is no packet */
  Napi::Value decode(const Napi::CallbackInfo& info);
  /** (nextPacket: Uint8Array, frames, out: Int16Array) → frames: what was lost before nextPacket */
  Napi::Value decodeFec(const Napi::CallbackInfo& info);
  /** (frames, out: Int16Array) → frames made up by loss concealment */
  Napi::Value conceal(const Napi::CallbackInfo& info);
  /** () → the range coder's state after the last packet, as uint32; 0 when closed */
  Napi::Value finalRange(const Napi::CallbackInfo& info);
  /** () → the PacketDecoder, for a fast path */
  Napi::Value role(const Napi::CallbackInfo& info);
  /** () → 0 */
  Napi::Value reset(const Napi::CallbackInfo& info);
  /** Frees the decoder. Idempotent. */
  Napi::Value close(const Napi::CallbackInfo& info);

  /** OPUS_OK where `frames` is a multiple of 2.5 ms that fits into `length` samples. */
  int checkFrames(int frames, size_t length) const;

  OpusDecoder* raw() const { return held_->decoder.get(); }

  const std::shared_ptr<Held> held_;
  int channels_ = 0;
};

}  // namespace kvm_audio
