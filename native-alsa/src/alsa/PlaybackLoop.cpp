#include "PlaybackLoop.h"

#include <algorithm>
#include <cerrno>

#include "clock.h"

namespace kvm_audio {

namespace {

constexpr int64_t kSleepNsMin = 100'000;
constexpr int64_t kRefusedSleepNs = 1'000'000;
// A card whose position stands still is asked less and less often.
constexpr int64_t kStalledSleepNsMax = 20'000'000;
constexpr int64_t kStalledNs = 20'000'000;
constexpr int64_t kTimeoutNs = 200'000'000;
// For so long after an xrun the card is looked at early enough for one that plays so many times as
// fast as it says: it does not run dry again, so that its pace can be read (rateWatchLimits).
constexpr int64_t kWatchNs = 2'000'000'000;
constexpr int64_t kPaceMax = 4;
constexpr unsigned kPadsPerSecond = 100;
// This thread makes up what is missing within half a millisecond.
constexpr unsigned kConcealsPerSecond = 2'000;

}  // namespace

PlaybackLoop::PlaybackLoop(StreamCore& core)
    : DeviceLoop(core),
      fade_(core.options.rate, core.options.channels),
      silence_(static_cast<std::size_t>(core.options.rate / kPadsPerSecond) *
               core.options.channels),
      chunkFrames_(fade_.frames()),
      padFrames_(core.options.rate / kPadsPerSecond),
      fadedInFrames_(fade_.frames()) {}

int PlaybackLoop::stream() {
  int error = 0;
  for (;;) {
    lookAtRing();
    if (error >= 0) error = round();
    if (error < 0) {
      const bool ranOut = ringEmpty() && sourceEnded();
      if (running_ && error == -EPIPE) noteDry();
      const Recovery recovery = recover(error, ranOut);
      if (core_.stopping()) return 0;
      if (recovery == Recovery::kFatal) return error;
      if (recovery == Recovery::kRestart) {
        if (running_ && !ranOut) dryAtNs_ = atNs_ + framesToNs(fillFrames_);
        reset();
        if (ranOut) told_ = true;
        if (dryAtNs_ != 0) fadedInFrames_ = 0;
        error = 0;
        continue;
      }
    }
    device_.steerPitch(running_ ? load(StreamMemory::kPitchPpm) : 0);
    error = waitAndCarry();
    if (core_.stopping()) return 0;
  }
}

// The source is left alone for a moment where JavaScript is about to take the stream, or to give it:
// a thread of real-time priority must not turn in a circle on the core that JavaScript needs for it.
int PlaybackLoop::waitAndCarry() {
  const bool more = carried_ == Carried::kMore;
  const bool refused = carried_ == Carried::kRefused;
  const int64_t sleepNs = more ? 0 : refused ? std::min(sleepNs_, kRefusedSleepNs) : sleepNs_;
  const int error = wait(sleepNs, waitForRoom_, refused ? -1 : core_.sourceFd.load());
  if (core_.stopping()) return 0;
  carried_ = more || sourceReady() ? core_.carry() : Carried::kDone;
  return error;
}

int PlaybackLoop::round() {
  waitForRoom_ = false;
  sleepNs_ = kSleepNsMax;
  const int error = carryOutStop();
  if (error < 0) return error;
  return !running_ && ringEmpty() ? idle() : roundStreaming();
}

int PlaybackLoop::roundStreaming() {
  int error = running_ ? lookAtDevice() : begin();
  if (error < 0) return error;
  error = feed();
  if (error >= 0 && conceal()) error = feed();
  if (error < 0) return error;
  if (ringEmpty()) {
    error = sourceEnded() ? finish() : coverGap();
    if (error < 0) return error;
  }
  if (!running_) return 0;
  statistic(StreamMemory::kFillFrames) = fillFrames_;
  statistic(StreamMemory::kFillUs) = atNs_ / 1000;
  tellLowWater();
  planSleep();
  return 0;
}

// The stop word is read before and after, so that no slot committed after a stop() is seen
// without that stop.
void PlaybackLoop::lookAtRing() {
  const int32_t before = head_;
  // Who is lent the stream sees to it itself, and has not been told.
  const bool isCarried = core_.isCarried;
  if (isCarried && !wasCarried_ && !inGap_) told_ = false;
  wasCarried_ = isCarried;
  ended_ = load(StreamMemory::kEndOfStream) != 0;
  do {
    stopWanted_ = load(StreamMemory::kStop);
    head_ = load(StreamMemory::kJsIndex);
  } while (load(StreamMemory::kStop) != stopWanted_);
  if (head_ != before) told_ = false;
}

int PlaybackLoop::carryOutStop() {
  if (stopWanted_ == stopSeen_) return 0;
  const int32_t until = stopWanted_ & StreamMemory::kStopIndexMask;
  while (tail_ != until) {
    statistic(StreamMemory::kFramesDropped) +=
        core_.memory.header(tail_).frames - slotDoneFrames_;
    releaseSlot();
  }
  const bool wasRunning = running_;
  reset();
  dryAtNs_ = 0;
  fade_.forget();
  told_ = ringEmpty();
  stopSeen_ = stopWanted_;
  statistic(StreamMemory::kStopSeen) = stopSeen_;
  if (!wasRunning) return 0;
  device_.drop();
  return device_.prepare();
}

int PlaybackLoop::idle() {
  if (sourceEnded()) dryAtNs_ = 0;
  if (!told_) {
    told_ = true;
    tellWake();
  }
  return timedOut() ? std::min(0, device_.check()) : 0;
}

// The margin is exact: silence and what is committed go in first, then the card starts.
int PlaybackLoop::begin() {
  writtenFrames_ = 0;
  consumedFrames_ = 0;
  fillFrames_ = 0;
  beyondFrames_ = 0;
  const int64_t most = bufferFrames() - std::max<int64_t>(chunkFrames_, device_.periodFrames());
  // What an xrun threw away before its time stays silent for its time: the stream's margin holds.
  const int64_t thrownAway = dryAtNs_ == 0 ? 0 : nsToFrames(dryAtNs_ - monotonicNs());
  // A card does not start without a sample.
  const int64_t least = device_.heldFrames() + (device_.heldFrames() > 0 ? chunkFrames_ : 0);
  const int64_t wanted = std::max<int64_t>(load(StreamMemory::kStartSilenceFrames), thrownAway);
  const int64_t silence = std::min(std::max(wanted, least), std::max<int64_t>(0, most));
  if (const int64_t result = writeSilence(silence); result < 0) return static_cast<int>(result);
  if (const int error = feed(); error < 0) return error;
  if (const int error = device_.start(); error < 0) return error;
  running_ = true;
  atNs_ = monotonicNs();
  if (dryAtNs_ != 0) {
    statistic(StreamMemory::kSilenceFrames) +=
        std::max<int64_t>(0, silence + nsToFrames(atNs_ - dryAtNs_));
  }
  dryAtNs_ = 0;
  progressNs_ = timeoutNs_ = lookNs_ = atNs_;
  sleepNsMin_ = kSleepNsMin;
  statistic(StreamMemory::kStreaming) = 1;
  statistic(StreamMemory::kAdvancing) = 1;
  statistic(StreamMemory::kDeviceDelayFrames) = fillFrames_;
  return 0;
}

int PlaybackLoop::lookAtDevice() {
  DeviceTime time;
  const int error = device_.now(time);
  if (error < 0) return error;
  atNs_ = time.atNs;
  fillFrames_ = std::max<int64_t>(0, bufferFrames() - time.availFrames);
  noteConsumption();
  snd_pcm_sframes_t delay = 0;
  const int unknown = device_.delay(delay);
  if (unknown < 0) delay = fillFrames_;
  beyondFrames_ = std::max<int64_t>(0, delay - fillFrames_);
  statistic(StreamMemory::kDeviceDelayFrames) = delay;
  statistic(StreamMemory::kBeyondFrames) = beyondFrames_;
  return unknown;
}

// An xrun is progress: the card has played all that it had, maybe faster than it says.
void PlaybackLoop::noteDry() {
  const int64_t nowNs = monotonicNs();
  noteProgress(nowNs);
  watchUntilNs_ = nowNs + kWatchNs;
}

void PlaybackLoop::noteConsumption() {
  const int64_t consumed = writtenFrames_ - fillFrames_;
  const int64_t nowNs = monotonicNs();
  if (consumed > consumedFrames_) {
    consumedFrames_ = consumed;
    progressNs_ = timeoutNs_ = lookNs_ = nowNs;
    sleepNsMin_ = kSleepNsMin;
    statistic(StreamMemory::kAdvancing) = 1;
    noteProgress(nowNs);
    return;
  }
  if (nowNs - lookNs_ >= sleepNsMin_) {
    sleepNsMin_ = std::min(2 * sleepNsMin_, kStalledSleepNsMax);
    lookNs_ = nowNs;
  }
  if (nowNs - progressNs_ > kStalledNs) statistic(StreamMemory::kAdvancing) = 0;
  if (nowNs - timeoutNs_ > kTimeoutNs) {
    statistic(StreamMemory::kPollTimeouts)++;
    timeoutNs_ = nowNs;
  }
}

int PlaybackLoop::feed() {
  while (!ringEmpty()) {
    const snd_pcm_sframes_t written = roomFrames() > 0 ? writeSlot(roomFrames()) : 0;
    if (written < 0) return static_cast<int>(written);
    if (written == 0) {
      waitForRoom_ = true;
      return 0;
    }
    inGap_ = false;
    padded_ = false;
    if (slotDoneFrames_ == core_.memory.header(tail_).frames) releaseSlot();
  }
  return 0;
}

snd_pcm_sframes_t PlaybackLoop::writeSlot(int64_t room) {
  const auto& header = core_.memory.header(tail_);
  const int64_t left = std::min<int64_t>(room, header.frames - slotDoneFrames_);
  const int16_t* const from =
      core_.memory.samples(tail_) +
      static_cast<std::size_t>(header.offsetFrames + slotDoneFrames_) * core_.options.channels;
  const auto toFade =
      static_cast<int32_t>(std::min<int64_t>(left, fade_.frames() - fadedInFrames_));
  const bool fading = toFade > 0;
  const int16_t* const sound = fading ? fade_.in(from, fadedInFrames_, toFade) : from;
  const snd_pcm_sframes_t written = write(sound, fading ? toFade : left);
  if (written <= 0) return written;
  fade_.remember(sound, static_cast<int32_t>(written));
  if (fading) fadedInFrames_ += static_cast<int32_t>(written);
  slotDoneFrames_ += static_cast<int32_t>(written);
  statistic(StreamMemory::kFramesMoved) += written;
  return written;
}

void PlaybackLoop::releaseSlot() {
  slotDoneFrames_ = 0;
  tail_ = core_.memory.next(tail_);
  core_.memory.word(StreamMemory::kThreadIndex).store(tail_);
}

// The source is late, and who has its stream is this thread.
bool PlaybackLoop::conceal() {
  if (sourceEnded() || fillFrames_ + ringFrames() > lowWaterFrames()) return false;
  if (core_.conceal() != Carried::kMore) return false;
  // There may be more where a packet came at the last moment.
  carried_ = Carried::kMore;
  const int32_t head = load(StreamMemory::kJsIndex);
  if (load(StreamMemory::kStop) != stopWanted_) return false;
  head_ = head;
  told_ = false;
  return true;
}

// JavaScript is late. The card is never let run dry: that would cost a restart, and a click. Who
// is told of low water, and finds more because of this silence, is told again.
int PlaybackLoop::coverGap() {
  const int64_t guard = guardFrames();
  if (fillFrames_ > guard) return 0;
  if (!inGap_) {
    inGap_ = true;
    fadedInFrames_ = 0;
    if (!pauses()) {
      statistic(StreamMemory::kUnderruns)++;
      statistic(StreamMemory::kUnderrunUs) = monotonicNs() / 1000;
    }
    const snd_pcm_sframes_t written = write(fade_.out(), fade_.frames());
    fade_.forget();
    if (written < 0) return static_cast<int>(written);
    statistic(StreamMemory::kSilenceFrames) += written;
  }
  while (fillFrames_ <= guard) {
    const int64_t written = writeSilence(chunkFrames_);
    if (written <= 0) return static_cast<int>(written);
    statistic(StreamMemory::kSilenceFrames) += written;
  }
  if (fillFrames_ > lowWaterFrames()) told_ = false;
  return 0;
}

// The source has ended. Silence goes behind its last sample, so that the card is stopped after
// that sample has been heard, of what the card holds too, and before it runs dry.
int PlaybackLoop::finish() {
  const bool isLow = fillFrames_ <= padBelowFrames();
  if (!padded_ && !isLow) return 0;
  if (!padded_) endFrames_ = writtenFrames_;
  padded_ = true;
  if (fillFrames_ > heardFillFrames()) {
    return isLow ? static_cast<int>(std::min<int64_t>(0, writeSilence(padFrames_))) : 0;
  }
  reset();
  fade_.forget();
  fadedInFrames_ = fade_.frames();
  told_ = true;
  device_.drop();
  return device_.prepare();
}

void PlaybackLoop::reset() {
  running_ = false;
  inGap_ = false;
  padded_ = false;
  fillFrames_ = 0;
  fadedInFrames_ = fade_.frames();
  noteStandstill();
}

void PlaybackLoop::tellLowWater() {
  if (told_) return;
  if (fillFrames_ + ringFrames() > lowWaterFrames()) return;
  told_ = true;
  tellWake();
}

void PlaybackLoop::planSleep() {
  if (waitForRoom_) return;
  int64_t until = guardFrames();
  if (sourceEnded()) until = std::max(padBelowFrames(), padded_ ? heardFillFrames() : 0);
  if (!told_) until = std::max(until, lowWaterFrames());
  const int64_t leftNs = framesToNs(fillFrames_ - until + 1);
  const int64_t dueNs = atNs_ + (atNs_ < watchUntilNs_ ? leftNs / kPaceMax : leftNs);
  sleepNs_ = std::clamp(dueNs - monotonicNs(), sleepNsMin_, kSleepNsMax);
}

int64_t PlaybackLoop::ringFrames() const {
  int64_t frames = -slotDoneFrames_;
  for (int32_t index = tail_; index != head_; index = core_.memory.next(index)) {
    frames += core_.memory.header(index).frames;
  }
  return frames;
}

// JavaScript is to have the time to wake up and make up for what is missing. This thread waits for
// what may still come; in a pause there is nothing to wait for.
int64_t PlaybackLoop::lowWaterFrames() const {
  const int64_t least = guardFrames() + core_.options.rate / kConcealsPerSecond;
  if (core_.isCarried && !pauses()) return least;
  return std::max<int64_t>(least, load(StreamMemory::kLowWaterFrames));
}

int64_t PlaybackLoop::guardFrames() const {
  return std::clamp<int64_t>(load(StreamMemory::kGuardFrames) + device_.heldFrames(), 0,
                             std::max<int64_t>(0, bufferFrames() - 2 * chunkFrames_));
}

// At or under this fill silence goes behind the last sample.
int64_t PlaybackLoop::padBelowFrames() const {
  return std::max(guardFrames(), padFrames_ / 2);
}

// At or under this fill the last sample has been heard, and some of the silence.
int64_t PlaybackLoop::heardFillFrames() const {
  return writtenFrames_ - beyondFrames_ - endFrames_ - padFrames_ / 2;
}

snd_pcm_sframes_t PlaybackLoop::write(const int16_t* from, int64_t frames) {
  const snd_pcm_sframes_t written = device_.write(from, static_cast<snd_pcm_uframes_t>(frames));
  if (written == -EAGAIN) return 0;
  if (written > 0) {
    fillFrames_ += written;
    writtenFrames_ += written;
  }
  return written;
}

int64_t PlaybackLoop::writeSilence(int64_t frames) {
  const auto most = static_cast<int64_t>(silence_.size() / core_.options.channels);
  int64_t done = 0;
  while (done < frames) {
    const snd_pcm_sframes_t written = write(silence_.data(), std::min(most, frames - done));
    if (written < 0) return written;
    if (written == 0) break;
    done += written;
  }
  return done;
}

}  // namespace kvm_audio
