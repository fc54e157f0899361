#pragma once

#include <alsa/asoundlib.h>

#include <cstdint>
#include <memory>

#include "AlsaCalls.h"
#include "StreamMemory.h"
#include "StreamOptions.h"

namespace kvm_audio {

// The control of a USB gadget's card for the pace at which it takes what is played, "Playback Pitch
// 1000000". Linux, drivers/usb/gadget/function/u_audio.c: a USB packet to the host takes
// rate × pitch / 1,000,000 / interval samples, so more than nominal plays faster; "Capture Pitch
// 1000000" beside it is only for the stream from the host. Used by the device thread alone, which
// tells JavaScript in StreamMemory what the card has taken over. Allocates in open() only.
class PitchControl {
 public:
  PitchControl(StreamMemory& memory, AlsaCalls& calls) : memory_(memory), calls_(calls) {}
  ~PitchControl() { close(); }
  PitchControl(const PitchControl&) = delete;
  PitchControl& operator=(const PitchControl&) = delete;

  // Looks for the control of a PCM's device, and makes it nominal. A card without it is usual.
  void open(const char* controls, unsigned device, Negotiated& negotiated);
  // Nominal again.
  void close();
  // Carries out what is wanted, within the range, as often as a card should be asked.
  void steer(int32_t ppm);

 private:
  struct Close {
    void operator()(snd_ctl_t* controls) const { snd_ctl_close(controls); }
  };
  struct Free {
    void operator()(snd_ctl_elem_value_t* value) const { snd_ctl_elem_value_free(value); }
  };

  bool find(unsigned device);
  bool read(int32_t& ppm);
  bool write(int32_t ppm);
  bool holds();
  void set(int32_t ppm, int64_t nowNs);
  void tellRange(int32_t minPpm, int32_t maxPpm);
  void tellSetting();

  StreamMemory& memory_;
  AlsaCalls& calls_;
  std::unique_ptr<snd_ctl_t, Close> controls_;
  std::unique_ptr<snd_ctl_elem_value_t, Free> value_;
  int32_t minPpm_ = 0;
  int32_t maxPpm_ = 0;
  int32_t setPpm_ = 0;  // as far as is known
  bool refused_ = false;
  int64_t lookedNs_ = 0;
  int64_t nextNs_ = 0;
};

}  // namespace kvm_audio
