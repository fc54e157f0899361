#include "PlayoutFastPath.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>

#include "../views.h"
#include "Stream.h"
#include "clock.h"

namespace kvm_audio {

namespace {

using Memory = StreamMemory;

// 60 ms, the longest Opus frame.
constexpr int kPacketFramesMax = 2880;
// The ratio is within 0.5 %.
constexpr int kResampledFramesMore = 32;
constexpr std::size_t kReceiveBytes = 4 * (kPacketHeaderBytesMax + kPayloadBytesMax);

}  // namespace

Napi::Function PlayoutFastPath::define(Napi::Env env) {
  return DefineClass(env, "PlayoutFastPath",
                     {
                         InstanceMethod<&PlayoutFastPath::engageWith>("engage"),
                         InstanceMethod<&PlayoutFastPath::disengageTo>("disengage"),
                         InstanceMethod<&PlayoutFastPath::harvestTo>("harvest"),
                         InstanceMethod<&PlayoutFastPath::rest>("rest"),
                     });
}

PlayoutFastPath::PlayoutFastPath(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<PlayoutFastPath>(info),
      FastPath(Stream::Unwrap(info[0].As<Napi::Object>())->core(), doubleView(info[1]).data,
               kValues),
      rowsReference_(Napi::Reference<Napi::Value>::New(info[1], 1)),
      historyReference_(Napi::Reference<Napi::Value>::New(info[2], 1)),
      history_(pcmView(info[2]).data),
      historyFrames_(static_cast<std::size_t>(intOr(info[3], 0))),
      historyEndMax_(pcmView(info[2]).length / core_->options.channels - kPacketFramesMax),
      piece_(static_cast<std::size_t>(kPacketFramesMax) * core_->options.channels),
      bytes_(kReceiveBytes) {
  const bool roomy = pcmView(info[2]).length / core_->options.channels >= kPacketFramesMax &&
                     doubleView(info[1]).length >= 2 * static_cast<size_t>(kRowsMax) * kValues &&
                     historyEndMax_ >= historyFrames_ + kPacketFramesMax &&
                     core_->options.slotFramesMax >= kPacketFramesMax;
  if (roomy) return;
  Napi::Error::New(info.Env(), "the rows, or the history, find no room")
      .ThrowAsJavaScriptException();
}

PlayoutFastPath::~PlayoutFastPath() {
  disengage();
  closeSocket();
}

Napi::Value PlayoutFastPath::engageWith(const Napi::CallbackInfo& info) {
  closeSocket();
  socket_ = intOr(info[0], -1);
  decoder_ = borrowed<PacketDecoder>(info[1]);
  if (info[2].IsObject()) {
    resamplerReference_ = Napi::Reference<Napi::Value>::New(info[2], 1);
    resampler_ = Resampler::Unwrap(info[2].As<Napi::Object>());
  } else {
    resampler_ = nullptr;
  }
  std::copy_n(doubleView(info[3]).data, kStateValues, state_);
  index_ = static_cast<int32_t>(state_[kRingIndex]);
  start_ = end_ = 0;
  engage(socket_);
  // From the next round on the thread looks at the socket too.
  core_->kick();
  return info.Env().Undefined();
}

Napi::Value PlayoutFastPath::disengageTo(const Napi::CallbackInfo& info) {
  const int rows = disengage();
  // For JavaScript less time is left than for the thread: it is to be told sooner.
  core_->kick();
  closeSocket();
  tellState(doubleView(info[0]).data);
  decoder_.reset();
  resamplerReference_.Reset();
  resampler_ = nullptr;
  return Napi::Number::New(info.Env(), rows);
}

Napi::Value PlayoutFastPath::harvestTo(const Napi::CallbackInfo& info) {
  double* const state = doubleView(info[0]).data;
  int rows = -1;
  {
    const std::lock_guard<std::mutex> guard(core_->carrierLock);
    if (isCarrying()) {
      rows = swapLog();
      state_[kTellAtUs] = state[kTellAtUs];
      tellState(state);
    }
  }
  return Napi::Number::New(info.Env(), rows);
}

void PlayoutFastPath::tellState(double* state) {
  state_[kRingIndex] = index_;
  state_[kHandedOver] = handedOver_ ? 1 : 0;
  std::copy_n(state_, kStateValues, state);
}

Napi::Value PlayoutFastPath::rest(const Napi::CallbackInfo& info) {
  const Napi::Value bytes =
      Napi::Buffer<uint8_t>::Copy(info.Env(), bytes_.data() + start_, end_ - start_);
  start_ = end_ = 0;
  return bytes;
}

void PlayoutFastPath::closeSocket() {
  if (socket_ >= 0) ::close(socket_);
  socket_ = -1;
}

// One packet at a time: the card has its turn between two. What is no packet, the end, or an error
// is JavaScript's to read.
Carried PlayoutFastPath::carryNext() {
  WirePacket packet;
  std::size_t messageBytes = 0;
  if (!hasMessage() && !receive()) {
    handOver();
    return Carried::kDone;
  }
  const WireRead read = readPacket(bytes_.data() + start_, end_ - start_, packet, messageBytes);
  if (read == WireRead::kIncomplete) return Carried::kDone;
  if (read == WireRead::kOther || !play(packet)) {
    handOver();
    return Carried::kDone;
  }
  start_ += messageBytes;
  return hasMessage() ? Carried::kMore : Carried::kDone;
}

bool PlayoutFastPath::hasMessage() const {
  WirePacket packet;
  std::size_t messageBytes = 0;
  return readPacket(bytes_.data() + start_, end_ - start_, packet, messageBytes) !=
         WireRead::kIncomplete;
}

// False at the end of the stream, or an error.
bool PlayoutFastPath::receive() {
  std::memmove(bytes_.data(), bytes_.data() + start_, end_ - start_);
  end_ -= start_;
  start_ = 0;
  const ssize_t got = recv(socket_, bytes_.data() + end_, bytes_.size() - end_, MSG_DONTWAIT);
  if (got > 0) end_ += static_cast<std::size_t>(got);
  return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

bool PlayoutFastPath::play(const WirePacket& packet) {
  double* const row = nextRow();
  if (row == nullptr) return false;
  const int frames = decoder_->framesOf(packet.payload, packet.payloadBytes);
  row[kArrivalUs] = monotonicUs();
  Look seen;
  if (!look(row[kArrivalUs], seen) || !plays(row[kArrivalUs], seen)) return false;
  if (!isPlain(packet, frames, seen)) return false;
  row[kStartUs] = monotonicUs();
  int16_t* const pcm = room();
  if (decoder_->decodePacket(packet.payload, packet.payloadBytes, pcm, kPacketFramesMax) != frames) {
    return false;
  }
  const int committed = give(frames, pcm);
  if (committed < 0) return false;
  row[kSeq] = packet.seq;
  row[kMediaTime] = static_cast<double>(packet.mediaTime);
  row[kCaptureTimeUs] =
      packet.hasCaptureTime ? static_cast<double>(packet.captureTimeUs) : std::nan("");
  row[kPayloadBytes] = packet.payloadBytes;
  row[kConcealed] = 0;
  note(row, frames, committed, seen);
  state_[kNextSeq] = static_cast<uint32_t>(packet.seq + 1);
  const bool isTime = row[kArrivalUs] >= state_[kTellAtUs];
  if (isTime) state_[kTellAtUs] = HUGE_VAL;
  if (isTime || seen.queuedFrames < state_[kScarceFrames]) wakeJs();
  return true;
}

// JavaScript would do the same, but it may be late itself: also where it is about to read a packet.
// What has come by now goes before.
Carried PlayoutFastPath::conceal() {
  const int32_t before = index_;
  if (!handedOver_) carryNext();
  if (index_ != before) return Carried::kMore;
  double* const row = nextRow();
  const auto frames = static_cast<int>(state_[kConcealFrames]);
  if (row == nullptr || state_[kConcealFramesLeft] < frames) return Carried::kRefused;
  row[kArrivalUs] = row[kStartUs] = monotonicUs();
  Look seen;
  if (!look(row[kArrivalUs], seen) || !plays(row[kArrivalUs], seen)) return Carried::kRefused;
  int16_t* const pcm = room();
  if (pcm == nullptr || decoder_->concealMissing(frames, pcm) != frames) return Carried::kRefused;
  const int committed = give(frames, pcm);
  if (committed < 0) return Carried::kRefused;
  row[kConcealed] = 1;
  note(row, frames, committed, seen);
  state_[kConcealFramesLeft] -= frames;
  return Carried::kMore;
}

void PlayoutFastPath::note(double* row, int frames, int committed, const Look& seen) {
  row[kEndUs] = monotonicUs();
  row[kFrames] = frames;
  row[kQueuedFrames] = seen.queuedFrames;
  row[kRingFrames] = seen.ringFrames;
  row[kBeyondFrames] = static_cast<double>(seen.statistics[Memory::kBeyondFrames]);
  row[kPlayedFrames] = static_cast<double>(seen.statistics[Memory::kFramesMoved] +
                                           seen.statistics[Memory::kSilenceFrames] -
                                           seen.statistics[Memory::kFillFrames]);
  row[kSeenUs] = static_cast<double>(seen.statistics[Memory::kFillUs]);
  row[kCommittedFrames] = committed;
  state_[kPlayTime] += frames;
  rowCount_++;
}

// As PcmPlayback.playout() sees it.
bool PlayoutFastPath::look(double nowUs, Look& look) const {
  auto& seen = look.statistics;
  if (!core_->memory.read(seen, Memory::kPlayoutStatisticCount)) return false;
  const double elapsedUs =
      seen[Memory::kAdvancing] == 1 ? nowUs - static_cast<double>(seen[Memory::kFillUs]) : 0;
  const double inDevice =
      static_cast<double>(seen[Memory::kFillFrames]) - elapsedUs * core_->options.rate / 1e6;
  look.ringFrames = state_[kRingCommitted] - static_cast<double>(seen[Memory::kFramesMoved] +
                                                                 seen[Memory::kFramesDropped]);
  look.queuedFrames = look.ringFrames + std::max(0.0, inDevice);
  return true;
}

// The card plays, and has played nothing that JavaScript does not know of.
bool PlayoutFastPath::plays(double nowUs, const Look& look) const {
  const auto& seen = look.statistics;
  const double sinceProgressUs = nowUs - static_cast<double>(seen[Memory::kLastProgressUs]);
  return seen[Memory::kStreaming] == 1 && sinceProgressUs < state_[kStandstillUs] &&
         static_cast<double>(seen[Memory::kStopSeen]) == state_[kStopWord] &&
         static_cast<double>(seen[Memory::kSilenceFrames]) == state_[kSilenceFrames];
}

bool PlayoutFastPath::isPlain(const WirePacket& packet, int frames, const Look& look) const {
  return packet.seq == state_[kNextSeq] &&
         static_cast<double>(packet.mediaTime) == state_[kPlayTime] && packet.flags == 0 &&
         packet.payloadBytes > kDtxBytesMax && frames > 0 && frames <= framesMax() &&
         look.queuedFrames <= state_[kMarginFramesMax] && slot() != nullptr;
}

// What room() holds now, straight into the ring, or by way of the resampler. Returns what went
// into it.
int PlayoutFastPath::give(int frames, const int16_t* made) {
  int committed = frames;
  if (resampler_ != nullptr) {
    if (slot() == nullptr) return -1;
    committed = resampler_->resample(made, frames, slot(), core_->options.slotFramesMax);
    if (committed < 0) return -1;
  }
  remember(made, frames);
  commit(committed);
  return committed;
}

// What the resampler makes of a packet finds room in a slot too.
int PlayoutFastPath::framesMax() const {
  return resampler_ == nullptr ? kPacketFramesMax : kPacketFramesMax - kResampledFramesMore;
}

int16_t* PlayoutFastPath::slot() const {
  const Memory& memory = core_->memory;
  const int32_t used = memory.distance(memory.word(Memory::kThreadIndex), index_);
  return used >= memory.slotCount() ? nullptr : memory.samples(index_);
}

void PlayoutFastPath::commit(int frames) {
  if (frames == 0) return;
  Memory& memory = core_->memory;
  auto& header = memory.header(index_);
  header.frames = frames;
  header.offsetFrames = 0;
  state_[kRingCommitted] += frames;
  index_ = memory.next(index_);
  memory.word(Memory::kEndOfStream) = 0;
  // On the thread that takes it from there.
  memory.word(Memory::kJsIndex) = index_;
}

void PlayoutFastPath::remember(const int16_t* pcm, int frames) {
  const std::size_t channels = core_->options.channels;
  auto end = static_cast<std::size_t>(state_[kHistoryEnd]);
  if (end + static_cast<std::size_t>(frames) > historyEndMax_) {
    std::memmove(history_, history_ + (end - historyFrames_) * channels,
                 historyFrames_ * channels * sizeof(int16_t));
    end = historyFrames_;
  }
  std::memcpy(history_ + end * channels, pcm,
              static_cast<std::size_t>(frames) * channels * sizeof(int16_t));
  state_[kHistoryEnd] = static_cast<double>(end + static_cast<std::size_t>(frames));
}

}  // namespace kvm_audio
