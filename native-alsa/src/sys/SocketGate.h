#pragma once

#include <cstdint>
#include <mutex>

#include "../roles.h"

namespace kvm_audio {

// The sending side of a Unix stream socket, whose descriptor it closes. JavaScript sends any bytes
// by it, a thread of another addon whole packets; each call is one `send`, under a lock, so that no
// message gets into another.
class SocketGate final : public PacketGate {
 public:
  explicit SocketGate(int fd);
  ~SocketGate() override { close(); }

  // How many bytes the kernel took, 0 where it is full, or -errno. What it did not take
  // is offered next; until then no packet of a thread's is taken.
  int32_t send(const uint8_t* bytes, int32_t count);
  // The same, for a message that must not wait in the kernel behind others: 0 also where two of
  // those that were sent so have not been read.
  int32_t sendPacket(const uint8_t* bytes, int32_t count);
  bool sendWhole(const uint8_t* message, int bytes) override;
  void shutdown();
  void close();

 private:
  int32_t sendSome(const uint8_t* bytes, int32_t count);
  bool twoUnread();
  void notePacket(int32_t bytes);

  static constexpr int kTwoOrMore = 2;

  std::mutex lock_;
  int fd_;
  // A longer message may be taken in part.
  int32_t wholeBytesMax_ = 0;
  int32_t lastPacketBytes_ = 0;
  int32_t packetBytesBefore_ = 0;
  // So many messages may be unread at most: as the kernel said last, and what was sent since.
  int unreadMax_ = kTwoOrMore;
  // The kernel has taken a part of what JavaScript is sending.
  bool halfSent_ = false;
};

}  // namespace kvm_audio
