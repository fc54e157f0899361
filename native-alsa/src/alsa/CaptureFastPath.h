#pragma once

#include <napi.h>

#include <memory>
#include <vector>

#include "../roles.h"
#include "FastPath.h"
#include "wirePacket.h"

namespace kvm_audio {

// Capture: ring slot → encoder → the same packet to every client, from one packet's memory:
//   new CaptureFastPath(stream, rows: Float64Array)
// What is captured meanwhile waits in the card's own buffer. With a thread of its own a frame would
// cost a wake-up more, and its samples would go from one core's cache to another's.
// Not plain are: a slot of another length or behind a loss, what the encoder refuses, and a client
// that does not take a packet at once. That packet is JavaScript's from that client on.
class CaptureFastPath : public Napi::ObjectWrap<CaptureFastPath>, private FastPath {
 public:
  // What a row holds.
  enum Value : int {
    kTimeUs,  // of the slot
    kLateUs,
    kPositionFrames,
    kStartUs,  // the encoder's
    kEncodedUs,
    kSentUs,
    kPayloadBytes,
    kValues,
  };

  static Napi::Function define(Napi::Env env);

  explicit CaptureFastPath(const Napi::CallbackInfo& info);
  ~CaptureFastPath() override { disengage(); }

 private:
  // (encoder, gates: PacketGate[], packet: Uint8Array, ringIndex, slotFrames, seq, mediaTime,
  // tellRows): `packet` is the thread's until disengage().
  Napi::Value engageWith(const Napi::CallbackInfo& info);
  // (state: Int32Array of 3) -> rows. The state: the ring's index; the first client that has not
  // had the last packet, -1 where all have; that packet's payload in bytes.
  Napi::Value disengageTo(const Napi::CallbackInfo& info);

  Carried carryNext() override;
  bool carrySlot(const StreamMemory::SlotHeader& header);

  Napi::Reference<Napi::Value> rowsReference_;
  Napi::Reference<Napi::Value> packetReference_;
  std::shared_ptr<PacketEncoder> encoder_;
  std::vector<std::shared_ptr<PacketGate>> gates_;
  uint8_t* packet_ = nullptr;
  int32_t index_ = 0;
  int32_t slotFrames_ = 0;
  WirePacket next_;
  int unsentFrom_ = -1;
  int tellRows_ = 0;
};

}  // namespace kvm_audio
