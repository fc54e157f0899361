#pragma once

#include <cstddef>
#include <cstdint>

namespace kvm_audio {

// An audio packet of the wire protocol (docs/protocol.md). packages/protocol/src/audioPacket.ts
// writes the same bytes, and reads the forms too that are left out here: those that no usual
// MessagePack library writes.
struct WirePacket {
  uint32_t seq = 0;
  uint64_t mediaTime = 0;
  bool hasCaptureTime = false;
  uint64_t captureTimeUs = 0;
  uint8_t flags = 0;
  const uint8_t* payload = nullptr;
  int payloadBytes = 0;
};

constexpr int kPacketHeaderBytesMax = 33;
constexpr int kPacketLengthBytes = 4;
constexpr int kPayloadBytesMax = 4096;
constexpr uint8_t kFlagDtx = 2;
// Opus DTX: a packet of one or two bytes says that there is nothing to say.
constexpr int kDtxBytesMax = 2;

// Writes the header, with a capture time, in front of `slot + kPacketHeaderBytesMax`, where the
// payload lies. Returns the length of the whole message, which begins at `slot`.
int writePacketHeader(uint8_t* slot, const WirePacket& packet);

enum class WireRead { kPacket, kIncomplete, kOther };

// Reads one message from the start of `bytes`. kOther: it is no audio packet, or is written in an
// unusual form. `messageBytes` is set with kPacket.
WireRead readPacket(const uint8_t* bytes, std::size_t length, WirePacket& packet,
                    std::size_t& messageBytes);

}  // namespace kvm_audio
