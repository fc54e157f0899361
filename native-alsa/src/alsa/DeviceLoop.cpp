#include "DeviceLoop.h"

#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>

#include <algorithm>
#include <cerrno>

#include "clock.h"

namespace kvm_audio {

namespace {

constexpr int kResumesMax = 10;
constexpr int64_t kResumePauseNs = 50'000'000;
constexpr int64_t kRefusedPauseNs = 100'000'000;
constexpr int kFastRecoveriesMax = 3;
constexpr int kEmptyWakesMax = 32;
constexpr int64_t kBlindSleepNs = 5'000'000;
constexpr unsigned long kTimerSlackNs = 1'000;

bool passesByItself(int error) {
  return error == -ESTRPIPE || error == -EIO || error == -EAGAIN || error == -EPIPE;
}

}  // namespace

void DeviceLoop::run() {
  core_.negotiated.priorityErrno = raisePriority();
  const bool opened = device_.open(core_.negotiated, core_.failure);
  bool failed = !opened;
  if (opened && !core_.stopping()) {
    core_.tell(StreamCore::kOpened);
    const int error = stream();
    failed = error < 0;
    if (failed) device_.describe(error, core_.failure);
    device_.drop();
  }
  device_.close();
  noteStandstill();
  core_.memory.publish();
  if (failed) core_.tell(StreamCore::kFailed);
}

// Sharp timers for a thread that sleeps to the instant, and SCHED_FIFO where it was asked for.
int DeviceLoop::raisePriority() {
  prctl(PR_SET_TIMERSLACK, kTimerSlackNs);
  if (core_.options.schedFifoPriority == 0) return 0;
  sched_param wanted = {};
  wanted.sched_priority = core_.options.schedFifoPriority;
  return sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &wanted) == 0 ? 0 : errno;
}

// A card whose descriptors are ready without anything to move must not cost a whole CPU.
bool DeviceLoop::wakesForNothing() {
  const int64_t moved = statistic(StreamMemory::kFramesMoved);
  const bool empty = moved == movedAtWait_ && !timedOut_;
  movedAtWait_ = moved;
  emptyWakesInRow_ = empty ? emptyWakesInRow_ + 1 : 0;
  return emptyWakesInRow_ > kEmptyWakesMax;
}

int DeviceLoop::wait(int64_t timeoutNs, bool wantDevice, int source) {
  const bool blind = wantDevice && wakesForNothing();
  const bool device = wantDevice && !blind;
  pollfd fds[2 + PcmDevice::kPollFdsMax];
  fds[0] = {core_.toThread.fd(), POLLIN, 0};
  // poll() leaves out one that is negative.
  fds[1] = {source, POLLIN, 0};
  pollfd* const ofDevice = fds + 2;
  const int deviceFds = device ? std::max(0, device_.pollFds(ofDevice)) : 0;
  statistic(StreamMemory::kPollRounds)++;
  core_.memory.publish();
  const int64_t ns = std::clamp<int64_t>(timeoutNs, 0, blind ? kBlindSleepNs : kSleepNsMax);
  const timespec limit = {static_cast<time_t>(ns / 1'000'000'000),
                          static_cast<long>(ns % 1'000'000'000)};
  const int ready = ppoll(fds, static_cast<nfds_t>(2 + deviceFds), &limit, nullptr);
  timedOut_ = ready == 0 && !blind;
  sourceReady_ = ready > 0 && fds[1].revents != 0;
  if (ready > 0 && fds[0].revents != 0) core_.toThread.clear();
  // From here on a commit signals again; what was committed before is seen by whoever looks next.
  core_.memory.word(StreamMemory::kKick).store(0);
  if (ready <= 0 || deviceFds == 0) return 0;
  return std::min(0, device_.pollEvents(ofDevice));
}

void DeviceLoop::pause(int64_t ns) {
  const int64_t until = monotonicNs() + ns;
  for (int64_t left = ns; left > 0 && !core_.stopping(); left = until - monotonicNs()) {
    core_.interrupt();
    wait(left, false);
  }
}

void DeviceLoop::noteProgress(int64_t atNs) {
  statistic(StreamMemory::kLastProgressUs) = atNs / 1000;
  recoveriesInRow_ = 0;
}

void DeviceLoop::noteStandstill() {
  statistic(StreamMemory::kStreaming) = 0;
  statistic(StreamMemory::kAdvancing) = 0;
  statistic(StreamMemory::kFillFrames) = 0;
  statistic(StreamMemory::kDeviceDelayFrames) = 0;
}

void DeviceLoop::tellWake() {
  statistic(StreamMemory::kWakeups)++;
  core_.memory.publish();
  core_.tell(StreamCore::kWake);
}

// Resuming takes a while on some cards, and others cannot at all.
int DeviceLoop::resume() {
  for (int tries = 0; tries < kResumesMax && !core_.stopping(); tries++) {
    const int error = device_.resume();
    if (error != -EAGAIN) return error;
    pause(kResumePauseNs);
  }
  return -EAGAIN;
}

DeviceLoop::Recovery DeviceLoop::recover(int& error, bool ranOut) {
  if (error == -EAGAIN || error == -EINTR) return Recovery::kNothing;
  if (device_.isGone(error)) return Recovery::kFatal;
  noteStandstill();
  if (error == -EPIPE) {
    if (!ranOut) statistic(StreamMemory::kXruns)++;
  } else if (error == -ESTRPIPE) {
    if (resume() == 0) device_.drop();
  } else if (error == -EIO) {
    // The card is there and does not run: a USB host that does not listen, no signal. Not a fault.
    statistic(StreamMemory::kPollTimeouts)++;
    pause(kRefusedPauseNs);
  } else {
    return Recovery::kFatal;
  }
  // A device that fails again at once must not cost a whole CPU.
  if (++recoveriesInRow_ > kFastRecoveriesMax) {
    pause(std::min<int64_t>(kSleepNsMax, recoveriesInRow_ * int64_t{5'000'000}));
  }
  return prepare(error);
}

// A card that is still suspended, or still has no host, is asked again until it is ready.
DeviceLoop::Recovery DeviceLoop::prepare(int& error) {
  for (;;) {
    const int refused = device_.prepare();
    if (refused >= 0) return Recovery::kRestart;
    if (!passesByItself(refused)) {
      error = refused;
      return Recovery::kFatal;
    }
    statistic(StreamMemory::kPollTimeouts)++;
    pause(kRefusedPauseNs);
    if (core_.stopping()) return Recovery::kNothing;
  }
}

}  // namespace kvm_audio
