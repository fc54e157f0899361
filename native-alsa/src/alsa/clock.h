#pragma once

#include <cstdint>
#include <ctime>

namespace kvm_audio {

inline int64_t monotonicNs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

// As JavaScript counts.
inline double monotonicUs() { return static_cast<double>(monotonicNs()) / 1000.0; }

}  // namespace kvm_audio
