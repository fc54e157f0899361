#pragma once

#include <napi.h>

#include <memory>
#include <vector>

#include "../roles.h"
#include "FastPath.h"
#include "Resampler.h"
#include "wirePacket.h"

namespace kvm_audio {

// Playback: socket → packet → decoder, and the resampler where it is in the way → ring:
//   new PlayoutFastPath(stream, rows: Float64Array, history: Int16Array, historyFrames)
// `rows` has two halves: harvest() gives the one to JavaScript, and the thread goes on in the other.
// `history` holds what was given out last, for splices: its newest `historyFrames` before an end
// that moves; where no packet would find room behind it they go back to the start.
//
// Plain is a packet that is next in order, with nothing to be said of it, which finds no backlog on
// a card that plays. What else comes stays in rest() for JavaScript. Where the next one does not
// come in time, what is missing is made up, so much at a time and in all as JavaScript says.
class PlayoutFastPath : public Napi::ObjectWrap<PlayoutFastPath>, private FastPath {
 public:
  // What a row holds. Frames are those at the packet's arrival.
  enum Value : int {
    kArrivalUs,
    kSeq,
    kMediaTime,
    kCaptureTimeUs,  // NaN = unknown
    kPayloadBytes,
    kFrames,
    kQueuedFrames,
    kRingFrames,
    kBeyondFrames,
    kPlayedFrames,  // the card's position, at kSeenUs
    kSeenUs,
    kStartUs,  // of the decoding
    kEndUs,
    kCommittedFrames,  // that went into the ring for it
    kConcealed,        // 1 = made up: all that is a packet's says nothing
    kValues,
  };

  // What is handed to the thread and comes back.
  enum State : int {
    kRingIndex,
    kRingCommitted,  // frames committed since the opening
    kHistoryEnd,
    kNextSeq,
    kPlayTime,
    // The bounds of what is plain; these do not change.
    kMarginFramesMax,
    kSilenceFrames,
    kStopWord,
    kStandstillUs,       // a card that has not moved for so long stands still
    kTellAtUs,           // with the first packet from then on JavaScript is woken, once
    kScarceFrames,       // with a packet that finds less JavaScript is woken
    kConcealFrames,      // so much is made up at a time
    kConcealFramesLeft,  // and so much in all
    kHandedOver,         // comes back: 1 = there is something that JavaScript is to read
    kStateValues,
  };

  static Napi::Function define(Napi::Env env);

  explicit PlayoutFastPath(const Napi::CallbackInfo& info);
  ~PlayoutFastPath() override;

 private:
  // (fd, decoder, resampler | null, state: Float64Array): the descriptor is this object's own from
  // now on.
  Napi::Value engageWith(const Napi::CallbackInfo& info);
  // (state) -> rows
  Napi::Value disengageTo(const Napi::CallbackInfo& info);
  // (state) -> rows, while the thread goes on; -1 where it does not. Of `state` it takes kTellAtUs, and
  // fills in the rest.
  Napi::Value harvestTo(const Napi::CallbackInfo& info);
  // Bytes that were read and are JavaScript's, after disengage().
  Napi::Value rest(const Napi::CallbackInfo& info);

  struct Look {
    double queuedFrames;
    double ringFrames;
    int64_t statistics[StreamMemory::kPlayoutStatisticCount];
  };

  Carried carryNext() override;
  Carried conceal() override;
  void interrupt() override { handOver(); }
  bool receive();
  bool hasMessage() const;
  bool play(const WirePacket& packet);
  bool look(double nowUs, Look& look) const;
  bool plays(double nowUs, const Look& look) const;
  bool isPlain(const WirePacket& packet, int frames, const Look& look) const;
  int16_t* room() { return resampler_ == nullptr ? slot() : piece_.data(); }
  int give(int frames, const int16_t* made);
  void note(double* row, int frames, int committed, const Look& look);
  int framesMax() const;
  int16_t* slot() const;
  void commit(int frames);
  void remember(const int16_t* pcm, int frames);
  void closeSocket();
  void tellState(double* state);

  Napi::Reference<Napi::Value> rowsReference_;
  Napi::Reference<Napi::Value> historyReference_;
  Napi::Reference<Napi::Value> resamplerReference_;
  int16_t* const history_;
  const std::size_t historyFrames_;
  const std::size_t historyEndMax_;
  std::vector<int16_t> piece_;
  std::vector<uint8_t> bytes_;
  std::size_t start_ = 0;
  std::size_t end_ = 0;
  std::shared_ptr<PacketDecoder> decoder_;
  Resampler* resampler_ = nullptr;
  double state_[kStateValues] = {};
  int32_t index_ = 0;
  int socket_ = -1;
};

}  // namespace kvm_audio
