#include "DeviceThread.h"

#include <ctime>

#include "CaptureLoop.h"
#include "PlaybackLoop.h"
#include "startThread.h"

namespace kvm_audio {

namespace {

void stream(StreamCore& core) {
  if (core.options.direction == Direction::kCapture) {
    CaptureLoop(core).run();
  } else {
    PlaybackLoop(core).run();
  }
}

void* body(void* argument) {
  std::unique_ptr<std::shared_ptr<StreamCore>> core(
      static_cast<std::shared_ptr<StreamCore>*>(argument));
  stream(**core);
  (*core)->tell(StreamCore::kEnded);
  return nullptr;
}

}  // namespace

int DeviceThread::start(const std::shared_ptr<StreamCore>& core) {
  auto argument = std::make_unique<std::shared_ptr<StreamCore>>(core);
  const bool captures = core->options.direction == Direction::kCapture;
  const char* const name = captures ? "alsa-capture" : "alsa-playback";
  const int error = startThread(&thread_, name, body, argument.get());
  if (error != 0) return error;
  argument.release();
  running_ = true;
  return 0;
}

bool DeviceThread::join(int64_t limitNs) {
  if (!running_) return true;
  timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  const int64_t ns = until.tv_nsec + limitNs;
  until.tv_sec += static_cast<time_t>(ns / 1'000'000'000);
  until.tv_nsec = static_cast<long>(ns % 1'000'000'000);
  if (pthread_timedjoin_np(thread_, nullptr, &until) != 0) return false;
  running_ = false;
  return true;
}

void DeviceThread::abandon() {
  if (running_) pthread_detach(thread_);
  running_ = false;
}

}  // namespace kvm_audio
