#pragma once

#include "StreamMemory.h"

namespace kvm_audio {

// Makes the libasound calls of one device: marks each in StreamMemory, so that a hang can be seen
// from outside, and remembers its name, so that an error can say where it came from.
class AlsaCalls {
 public:
  explicit AlsaCalls(StreamMemory& memory) : memory_(memory) {}
  AlsaCalls(const AlsaCalls&) = delete;
  AlsaCalls& operator=(const AlsaCalls&) = delete;

  template <class Call>
  auto operator()(const char* name, Call body) {
    last_ = name;
    memory_.enterCall();
    const auto result = body();
    memory_.leaveCall();
    return result;
  }

  const char* last() const { return last_; }

 private:
  StreamMemory& memory_;
  const char* last_ = "snd_pcm_open";
};

}  // namespace kvm_audio
