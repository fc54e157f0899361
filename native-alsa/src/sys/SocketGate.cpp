#include "SocketGate.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace kvm_audio {

namespace {

// The kernel doubles it. A message of at most half of what it makes of it, less 64 bytes, is one
// piece of its queue, taken whole or not at all (unix_stream_sendmsg): the largest audio packet is,
// and hardly more than two of them find room.
constexpr int kSendBufferBytes = 4400;
constexpr int kPieceOverheadBytes = 64;

// What the kernel spends at least on one message beside its bytes: what describes the piece. Measured
// on Linux 6.18, x86-64: 60 bytes take 768, 300 take 1,280, 800 take 2,304, 2,400 take 4,352, as
// memory comes in sizes of powers of two.
constexpr int kPieceMemoryMin = 448;

// Memory of what the other end has not read yet, as the kernel accounts for it. A piece is freed
// when its last byte was read.
int unreadMemory(int fd) {
  int bytes = 0;
  return ioctl(fd, SIOCOUTQ, &bytes) == 0 ? bytes : 0;
}

}  // namespace

SocketGate::SocketGate(int fd) : fd_(fd) {
  setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &kSendBufferBytes, sizeof kSendBufferBytes);
  int granted = 0;
  socklen_t length = sizeof granted;
  if (getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &granted, &length) == 0)
    wholeBytesMax_ = granted / 2 - kPieceOverheadBytes;
}

int32_t SocketGate::sendSome(const uint8_t* bytes, int32_t count) {
  if (fd_ < 0) return -EBADF;
  const ssize_t sent =
      ::send(fd_, bytes, static_cast<size_t>(count), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent >= 0) return static_cast<int32_t>(sent);
  return errno == EAGAIN || errno == EINTR || errno == ENOBUFS ? 0 : -errno;
}

// As much is unread as the last two take at least. The kernel is asked only where that may be so. One
// that is much larger than the one before counts as two: what comes next waits until it is read.
bool SocketGate::twoUnread() {
  if (fd_ < 0 || unreadMax_ < kTwoOrMore) return false;
  const int memory = unreadMemory(fd_);
  if (memory >= lastPacketBytes_ + packetBytesBefore_ + 2 * kPieceMemoryMin) return true;
  unreadMax_ = memory > 0 ? 1 : 0;
  return false;
}

void SocketGate::notePacket(int32_t bytes) {
  packetBytesBefore_ = lastPacketBytes_;
  lastPacketBytes_ = bytes;
  unreadMax_ = std::min(unreadMax_ + 1, kTwoOrMore);
}

int32_t SocketGate::send(const uint8_t* bytes, int32_t count) {
  const std::lock_guard<std::mutex> guard(lock_);
  const int32_t sent = sendSome(bytes, count);
  halfSent_ = sent < count;
  // Whatever it was, it is memory that is not a packet's.
  unreadMax_ = kTwoOrMore;
  return sent;
}

int32_t SocketGate::sendPacket(const uint8_t* bytes, int32_t count) {
  const std::lock_guard<std::mutex> guard(lock_);
  if (twoUnread()) return 0;
  const int32_t sent = sendSome(bytes, count);
  if (sent <= 0) return sent;
  notePacket(sent);
  halfSent_ = sent < count;
  return sent;
}

// Who has the lock is JavaScript, perhaps not on a core just now: a thread does not wait for that.
bool SocketGate::sendWhole(const uint8_t* message, int bytes) {
  const std::unique_lock<std::mutex> lock(lock_, std::try_to_lock);
  if (!lock.owns_lock() || halfSent_ || bytes > wholeBytesMax_ || twoUnread()) return false;
  if (sendSome(message, bytes) != bytes) return false;
  notePacket(bytes);
  return true;
}

void SocketGate::shutdown() {
  const std::lock_guard<std::mutex> guard(lock_);
  if (fd_ >= 0) ::shutdown(fd_, SHUT_WR);
}

void SocketGate::close() {
  const std::lock_guard<std::mutex> guard(lock_);
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

}  // namespace kvm_audio
