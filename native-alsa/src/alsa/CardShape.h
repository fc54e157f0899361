#pragma once

// error.h declares snd_lib_error_set_local() outside its own extern "C" (alsa-lib 1.2.8).
extern "C" {
#include <alsa/asoundlib.h>
}

namespace kvm_audio {

// What one frame of a card is, and how many come in a second.
struct CardShape {
  snd_pcm_format_t format = SND_PCM_FORMAT_S16_LE;
  unsigned channels = 0;
  unsigned rate = 0;
};

}  // namespace kvm_audio
