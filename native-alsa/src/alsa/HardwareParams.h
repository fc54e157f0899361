#pragma once

#include "AlsaCalls.h"
#include "CardShape.h"
#include "StreamOptions.h"

namespace kvm_audio {

// What a card is asked for and what it grants. Exactly what the stream has, where the card takes
// it; else the nearest that its hardware offers, for CardEdge to convert. Used once, by the device
// thread, while it opens the card. Results are libasound's: negative errno = error.
class HardwareParams {
 public:
  HardwareParams(snd_pcm_t* pcm, const StreamOptions& options, AlsaCalls& calls);
  ~HardwareParams();
  HardwareParams(const HardwareParams&) = delete;
  HardwareParams& operator=(const HardwareParams&) = delete;

  // Where the card refuses, `failure` says what it offers instead.
  int negotiate(Failure& failure);

  const CardShape& shape() const { return shape_; }
  snd_pcm_uframes_t periodFrames() const { return periodFrames_; }
  snd_pcm_uframes_t bufferFrames() const { return bufferFrames_; }

 private:
  int chooseRate(Failure& failure);
  int chooseChannels(Failure& failure);
  int chooseFormat(Failure& failure);
  int chooseSizes(Failure& failure);
  bool offersRate(unsigned rate);
  unsigned bestRate();
  bool offersChannels(unsigned channels);
  bool offersFormat(snd_pcm_format_t format);
  unsigned bestChannels();
  void refuse(Failure& failure, int error, const char* format, ...)
      __attribute__((format(printf, 4, 5)));

  snd_pcm_t* pcm_;
  const StreamOptions& options_;
  AlsaCalls& calls_;
  snd_pcm_hw_params_t* params_ = nullptr;
  CardShape shape_;
  snd_pcm_uframes_t periodFrames_ = 0;
  snd_pcm_uframes_t bufferFrames_ = 0;
};

}  // namespace kvm_audio
