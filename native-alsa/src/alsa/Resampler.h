#pragma once

#include <napi.h>
#include <speex/speex_resampler.h>

#include <memory>

namespace kvm_audio {

/**
 * One SpeexDSP resampler for interleaved int16. Called on one thread at a time. Methods
 * return one of Speex' RESAMPLER_ERR_* codes (0 = success) and never throw, but for the
 * constructor; naming the failure is TypeScript's work. A closed one answers
 * RESAMPLER_ERR_BAD_STATE.
 */
class Resampler : public Napi::ObjectWrap<Resampler> {
 public:
  static Napi::Function define(Napi::Env env);

  /** (channels, inputRate, outputRate, quality) */
  explicit Resampler(const Napi::CallbackInfo& info);

  /** For a fast path, while JavaScript leaves it alone. Takes all of `pcm`; returns the frames in
   * `out`, or a negative number where it failed or there was no room for all. */
  int resample(const int16_t* pcm, int frames, int16_t* out, int room);

 private:
  struct Destroy {
    void operator()(SpeexResamplerState* state) const { speex_resampler_destroy(state); }
  };

  /** (pcm: Int16Array, frames, out: Int16Array, counts: Int32Array) → code, and frames consumed
   * and produced in `counts`. `out` must not overlap what is read. */
  Napi::Value process(const Napi::CallbackInfo& info);
  /** (viaNumerator, viaDenominator, numerator, denominator) → code: sets the ratio (input frames
   * for one output frame), by way of another; rateFraction.ts says why. */
  Napi::Value setRatio(const Napi::CallbackInfo& info);
  /** () → frames of input that the filter holds back; 0 when closed */
  Napi::Value inputLatency(const Napi::CallbackInfo& info);
  /** () → the same in frames of output */
  Napi::Value outputLatency(const Napi::CallbackInfo& info);
  /** () → code: as after construction */
  Napi::Value reset(const Napi::CallbackInfo& info);
  /** Frees the resampler. Idempotent. */
  Napi::Value close(const Napi::CallbackInfo& info);

  /** → code. After a failure the state is as it was before. */
  int create();

  std::unique_ptr<SpeexResamplerState, Destroy> state_;
  spx_uint32_t channels_ = 0;
  spx_uint32_t inputRate_ = 0;
  spx_uint32_t outputRate_ = 0;
  int quality_ = 0;
};

}  // namespace kvm_audio
