#include "CardEdge.h"

#include <algorithm>
#include <cerrno>
#include <cmath>

namespace kvm_audio {

namespace {

// Converted at a time: 10 ms at 48 kHz.
constexpr std::size_t kChunkFrames = 480;
// What a resampler leaves to be offered again, and the rounding of a ratio.
constexpr std::size_t kSpareFrames = 16;

}  // namespace

CardEdge::CardEdge(const StreamOptions& options, StreamMemory& memory)
    : options_(options), device_(options, memory) {}

bool CardEdge::open(Negotiated& negotiated, Failure& failure) {
  if (!device_.open(negotiated, failure)) return false;
  const CardShape& shape = device_.shape();
  streamRate_ = options_.rate;
  cardRate_ = options_.cardRate != 0 ? options_.cardRate : shape.rate;
  const auto period = static_cast<int64_t>(device_.periodFrames());
  periodFrames_ =
      static_cast<snd_pcm_uframes_t>((period * streamRate_ + cardRate_ - 1) / cardRate_);
  bufferFrames_ = static_cast<snd_pcm_uframes_t>(
      toStreamFrames(static_cast<int64_t>(device_.bufferFrames())));
  converts_ = convertsShape();
  if (converts_ && !openConverters()) {
    device_.describe(-ENOMEM, failure);
    return false;
  }
  negotiated.heldFrames = static_cast<unsigned>(heldFrames());
  return true;
}

bool CardEdge::convertsShape() const {
  const CardShape& shape = device_.shape();
  return cardRate_ != streamRate_ || shape.channels != options_.channels ||
         shape.format != SND_PCM_FORMAT_S16_LE;
}

bool CardEdge::openConverters() {
  const CardShape& shape = device_.shape();
  const bool capture = options_.direction == Direction::kCapture;
  samples_ = SampleConverter(shape.format, shape.channels, options_.channels);
  const auto from = static_cast<unsigned>(capture ? cardRate_ : streamRate_);
  const auto to = static_cast<unsigned>(capture ? streamRate_ : cardRate_);
  if (from != to && !rate_.open(from, to, samples_.channels())) return false;
  cardCapacity_ = kChunkFrames * static_cast<std::size_t>(cardRate_) /
                      static_cast<std::size_t>(streamRate_) +
                  static_cast<std::size_t>(rate_.heldFrames()) + kSpareFrames;
  card_.resize(cardCapacity_ * samples_.cardFrameBytes());
  cardFloats_.resize(cardCapacity_ * samples_.channels());
  streamFloats_.resize(kChunkFrames * samples_.channels());
  return true;
}

int CardEdge::prepare() {
  rate_.reset();
  waiting_ = 0;
  waitingAt_ = 0;
  streamFrames_ = 0;
  cardFrames_ = 0;
  return device_.prepare();
}

int64_t CardEdge::heldFrames() const {
  return options_.direction == Direction::kPlayback ? rate_.heldFrames() : 0;
}

int CardEdge::setAvailMin(snd_pcm_uframes_t frames) {
  if (!converts_) return device_.setAvailMin(frames);
  const int64_t lacking =
      rate_.inputFor(static_cast<int64_t>(frames)) - static_cast<int64_t>(waiting_);
  return device_.setAvailMin(static_cast<snd_pcm_uframes_t>(std::max<int64_t>(1, lacking)));
}

// What is to be heard before the next frame that write() takes.
int64_t CardEdge::fillFrames(int64_t queuedCardFrames) const {
  return streamFrames_ - toStreamFrames(cardFrames_ - queuedCardFrames);
}

int CardEdge::now(DeviceTime& time) {
  if (!converts_) return device_.now(time);
  const bool capture = options_.direction == Direction::kCapture;
  int error = capture ? 0 : flush();
  if (error >= 0) error = device_.now(time);
  if (error < 0) return error;
  if (!capture) {
    const auto buffer = static_cast<int64_t>(device_.bufferFrames());
    const int64_t queued = std::max<int64_t>(0, buffer - time.availFrames);
    time.availFrames = static_cast<snd_pcm_sframes_t>(static_cast<int64_t>(bufferFrames_) -
                                                      fillFrames(queued));
    return 0;
  }
  const int64_t untaken = static_cast<int64_t>(waiting_) + time.availFrames;
  const double toFirst = static_cast<double>(untaken) - rate_.nextAhead();
  time.availFrames = static_cast<snd_pcm_sframes_t>(rate_.outputFor(untaken));
  const double seconds =
      static_cast<double>(time.availFrames) / static_cast<double>(streamRate_) -
      toFirst / static_cast<double>(cardRate_);
  time.atNs += std::llround(1e9 * seconds);
  return 0;
}

int CardEdge::delay(snd_pcm_sframes_t& frames) {
  const int error = device_.delay(frames);
  if (error < 0 || !converts_) return error;
  frames = static_cast<snd_pcm_sframes_t>(fillFrames(frames));
  return error;
}

snd_pcm_sframes_t CardEdge::read(int16_t* to, snd_pcm_uframes_t frames) {
  if (!converts_) return device_.read(to, frames);
  snd_pcm_uframes_t done = 0;
  while (done < frames) {
    const snd_pcm_sframes_t got = capture(to + done * options_.channels, frames - done);
    if (got < 0 && done == 0) return got;
    if (got <= 0) break;
    done += static_cast<snd_pcm_uframes_t>(got);
  }
  return static_cast<snd_pcm_sframes_t>(done);
}

// Reads no more than it needs: what is not asked for yet waits in the card.
snd_pcm_sframes_t CardEdge::capture(int16_t* to, snd_pcm_uframes_t frames) {
  const auto want = std::min<std::size_t>(frames, kChunkFrames);
  const int64_t lacking =
      rate_.inputFor(static_cast<int64_t>(want)) - static_cast<int64_t>(waiting_);
  if (lacking > 0) {
    const snd_pcm_sframes_t got = fetch(lacking);
    if (got < 0 && got != -EAGAIN) return got;
  }
  return static_cast<snd_pcm_sframes_t>(convertCaptured(to, want));
}

snd_pcm_sframes_t CardEdge::fetch(int64_t cardFrames) {
  const auto room = static_cast<int64_t>(cardCapacity_ - waiting_);
  const snd_pcm_sframes_t got =
      device_.read(card_.data(), static_cast<snd_pcm_uframes_t>(std::min(cardFrames, room)));
  if (got <= 0) return got;
  samples_.fromCard(card_.data(), cardFloats_.data() + waiting_ * samples_.channels(),
                    static_cast<std::size_t>(got));
  waiting_ += static_cast<std::size_t>(got);
  return got;
}

std::size_t CardEdge::convertCaptured(int16_t* to, std::size_t frames) {
  RateConverter::Counts counts = {std::min(frames, waiting_), std::min(frames, waiting_)};
  if (rate_.converts()) {
    counts = rate_.process(cardFloats_.data(), waiting_, streamFloats_.data(), frames);
    samples_.toStream(streamFloats_.data(), to, counts.produced);
  } else {
    samples_.toStream(cardFloats_.data(), to, counts.produced);
  }
  const auto channels = static_cast<std::ptrdiff_t>(samples_.channels());
  const auto taken = cardFloats_.begin() + static_cast<std::ptrdiff_t>(counts.consumed) * channels;
  const auto end = cardFloats_.begin() + static_cast<std::ptrdiff_t>(waiting_) * channels;
  std::copy(taken, end, cardFloats_.begin());
  waiting_ -= counts.consumed;
  return counts.produced;
}

// Takes all that it is given: what the card has no room for waits for the next write() or now().
snd_pcm_sframes_t CardEdge::write(const int16_t* from, snd_pcm_uframes_t frames) {
  if (!converts_) return device_.write(from, frames);
  if (const int error = flush(); error < 0) return error;
  snd_pcm_uframes_t done = 0;
  while (done < frames && waiting_ == 0) {
    const auto some = std::min<std::size_t>(frames - done, kChunkFrames);
    convertPlayed(from + done * options_.channels, some);
    const int error = flush();
    // A card that failed is prepared anew, and begins with the first frame that was not taken.
    if (error < 0) return done > 0 ? static_cast<snd_pcm_sframes_t>(done) : error;
    done += some;
  }
  return done > 0 ? static_cast<snd_pcm_sframes_t>(done) : -EAGAIN;
}

void CardEdge::convertPlayed(const int16_t* from, std::size_t frames) {
  samples_.fromStream(from, streamFloats_.data(), frames);
  streamFrames_ += static_cast<int64_t>(frames);
  waitingAt_ = 0;
  if (!rate_.converts()) {
    samples_.toCard(streamFloats_.data(), card_.data(), frames);
    waiting_ = frames;
    return;
  }
  const auto counts =
      rate_.process(streamFloats_.data(), frames, cardFloats_.data(), cardCapacity_);
  samples_.toCard(cardFloats_.data(), card_.data(), counts.produced);
  waiting_ = counts.produced;
}

// Moves what waits into the card, as far as there is room.
int CardEdge::flush() {
  while (waiting_ > 0) {
    const snd_pcm_sframes_t written =
        device_.write(card_.data() + waitingAt_ * samples_.cardFrameBytes(), waiting_);
    if (written == -EAGAIN || written == -EINTR || written == 0) return 0;
    if (written < 0) return static_cast<int>(written);
    waiting_ -= static_cast<std::size_t>(written);
    waitingAt_ += static_cast<std::size_t>(written);
    cardFrames_ += written;
  }
  return 0;
}

}  // namespace kvm_audio
