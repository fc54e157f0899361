#include "DeviceThread.h"

#include <csignal>
#include <ctime>

#include "CaptureLoop.h"
#include "PlaybackLoop.h"

namespace kvm_audio {

namespace {

constexpr std::size_t kStackBytes = 1024 * 1024;

void stream(StreamCore& core) {
  const bool captures = core.options.direction == Direction::kCapture;
  // By itself: whoever started it may be late, and it is known by this.
  pthread_setname_np(pthread_self(), captures ? "alsa-capture" : "alsa-playback");
  if (captures) {
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
  // Signals are Node's: none may interrupt this thread.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kStackBytes);
  auto argument = std::make_unique<std::shared_ptr<StreamCore>>(core);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const int error = pthread_create(&thread_, &attributes, body, argument.get());
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
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
