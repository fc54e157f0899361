#include "wirePacket.h"

namespace kvm_audio {

namespace {

constexpr uint8_t kArray6 = 0x96;
constexpr uint8_t kAudioKind = 3;
constexpr uint8_t kNil = 0xc0;
constexpr uint8_t kFixedIntegerMax = 0x7f;
constexpr uint8_t kBin8 = 0xc4;
constexpr uint8_t kBin16 = 0xc5;
constexpr uint8_t kUint8 = 0xcc;
constexpr uint8_t kUint32 = 0xce;
constexpr uint8_t kUint64 = 0xcf;
// What JavaScript has as a number without loss.
constexpr uint64_t kSafeIntegerMax = (uint64_t{1} << 53) - 1;

uint8_t* writeBigEndian(uint8_t* at, uint64_t value, int bytes) {
  for (int i = bytes - 1; i >= 0; i--) *at++ = static_cast<uint8_t>(value >> (8 * i));
  return at;
}

uint64_t readBigEndian(const uint8_t* at, int bytes) {
  uint64_t value = 0;
  for (int i = 0; i < bytes; i++) value = value << 8 | at[i];
  return value;
}

// Moves on by what is read; `end` is where the message ends.
struct Reader {
  const uint8_t* at;
  const uint8_t* const end;

  bool has(int bytes) const { return end - at >= bytes; }
  bool skip(uint8_t tag) { return has(1) && *at == tag && ++at != nullptr; }
  bool bigEndian(int bytes, uint64_t& value) {
    if (!has(bytes)) return false;
    value = readBigEndian(at, bytes);
    at += bytes;
    return true;
  }
  bool integer(uint64_t most, uint64_t& value) {
    if (!has(1)) return false;
    const uint8_t tag = *at++;
    value = tag;
    if (tag > kFixedIntegerMax) {
      if (tag < kUint8 || tag > kUint64 || !bigEndian(1 << (tag - kUint8), value)) return false;
    }
    return value <= most;
  }
  bool binary(const uint8_t*& bytes, int& count) {
    uint64_t length = 0;
    const bool is8 = skip(kBin8);
    if (!is8 && !skip(kBin16)) return false;
    if (!bigEndian(is8 ? 1 : 2, length)) return false;
    bytes = at;
    count = static_cast<int>(length);
    return count == end - at;
  }
};

bool readFields(Reader in, WirePacket& packet) {
  uint64_t seq = 0;
  uint64_t flags = 0;
  if (!in.skip(kArray6) || !in.skip(kAudioKind)) return false;
  if (!in.integer(UINT32_MAX, seq) || !in.integer(kSafeIntegerMax, packet.mediaTime)) return false;
  packet.seq = static_cast<uint32_t>(seq);
  packet.hasCaptureTime = !in.skip(kNil);
  if (packet.hasCaptureTime && !in.integer(kSafeIntegerMax, packet.captureTimeUs)) return false;
  if (!in.integer(UINT8_MAX, flags) || !in.binary(packet.payload, packet.payloadBytes)) return false;
  packet.flags = static_cast<uint8_t>(flags);
  return packet.payloadBytes >= 1 && packet.payloadBytes <= kPayloadBytesMax;
}

}  // namespace

int writePacketHeader(uint8_t* slot, const WirePacket& packet) {
  const int bytes = kPacketHeaderBytesMax + packet.payloadBytes;
  uint8_t* at = writeBigEndian(slot, static_cast<uint64_t>(bytes - kPacketLengthBytes), 4);
  *at++ = kArray6;
  *at++ = kAudioKind;
  *at++ = kUint32;
  at = writeBigEndian(at, packet.seq, 4);
  *at++ = kUint64;
  at = writeBigEndian(at, packet.mediaTime, 8);
  *at++ = kUint64;
  at = writeBigEndian(at, packet.captureTimeUs, 8);
  *at++ = packet.flags;
  *at++ = kBin16;
  writeBigEndian(at, static_cast<uint64_t>(packet.payloadBytes), 2);
  return bytes;
}

WireRead readPacket(const uint8_t* bytes, std::size_t length, WirePacket& packet,
                    std::size_t& messageBytes) {
  if (length < kPacketLengthBytes) return WireRead::kIncomplete;
  const uint64_t body = readBigEndian(bytes, kPacketLengthBytes);
  const uint64_t most = kPacketHeaderBytesMax - kPacketLengthBytes + kPayloadBytesMax;
  if (body > most) return WireRead::kOther;
  messageBytes = kPacketLengthBytes + static_cast<std::size_t>(body);
  if (length < messageBytes) return WireRead::kIncomplete;
  const Reader in{bytes + kPacketLengthBytes, bytes + messageBytes};
  return readFields(in, packet) ? WireRead::kPacket : WireRead::kOther;
}

}  // namespace kvm_audio
