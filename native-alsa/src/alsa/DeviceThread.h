#pragma once

#include <pthread.h>

#include <cstdint>
#include <memory>

#include "StreamCore.h"

namespace kvm_audio {

// The POSIX thread of one stream. It holds its own reference to the core: one that hangs in the
// kernel can be left behind.
class DeviceThread {
 public:
  DeviceThread() = default;
  ~DeviceThread() { abandon(); }
  DeviceThread(const DeviceThread&) = delete;
  DeviceThread& operator=(const DeviceThread&) = delete;

  // 0 or an errno.
  int start(const std::shared_ptr<StreamCore>& core);
  // True when the thread has ended within the limit.
  bool join(int64_t limitNs);
  void abandon();

 private:
  pthread_t thread_ = {};
  bool running_ = false;
};

}  // namespace kvm_audio
