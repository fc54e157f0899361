#include "StreamMemory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <new>

namespace kvm_audio {

namespace {

constexpr std::size_t kCacheLine = 64;
constexpr int kReadsMax = 64;

std::size_t roundToLine(std::size_t bytes) { return (bytes + kCacheLine - 1) & ~(kCacheLine - 1); }

}  // namespace

static_assert(sizeof(std::atomic<int32_t>) == sizeof(int32_t));
static_assert(std::atomic<int32_t>::is_always_lock_free);
static_assert((StreamMemory::kStatistics + 2 * StreamMemory::kStatisticCount) * sizeof(int32_t) <=
              StreamMemory::kHeadersOffset);
static_assert(sizeof(StreamMemory::SlotHeader) == 32);

StreamMemory::StreamMemory(int32_t slotCount, int32_t slotFramesMax, unsigned channels)
    : slotCount_(slotCount) {
  slotStride_ = roundToLine(static_cast<std::size_t>(slotFramesMax) * channels * sizeof(int16_t));
  samplesOffset_ =
      roundToLine(kHeadersOffset + static_cast<std::size_t>(slotCount) * sizeof(SlotHeader));
  byteLength_ = samplesOffset_ + static_cast<std::size_t>(slotCount + 1) * slotStride_;
  void* const bytes =
      mmap(nullptr, byteLength_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (bytes == MAP_FAILED) return;
  // Touched now, so that no thread has to wait for a page while it carries sound.
  std::memset(bytes, 0, byteLength_);
  bytes_ = static_cast<char*>(bytes);
  words_ = new (bytes_) std::atomic<int32_t>[kHeadersOffset / sizeof(int32_t)]{};
}

StreamMemory::~StreamMemory() {
  if (bytes_ != nullptr) munmap(bytes_, byteLength_);
}

void StreamMemory::letGoOfSamples() {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  const std::size_t from = (samplesOffset_ + page - 1) / page * page;
  if (from < byteLength_) madvise(bytes_ + from, byteLength_ - from, MADV_DONTNEED);
}

StreamMemory::SlotHeader& StreamMemory::header(int32_t index) const {
  const int32_t slot = index >= slotCount_ ? index - slotCount_ : index;
  return reinterpret_cast<SlotHeader*>(bytes_ + kHeadersOffset)[slot];
}

int16_t* StreamMemory::samples(int32_t index) const {
  const int32_t slot = index >= slotCount_ ? index - slotCount_ : index;
  return reinterpret_cast<int16_t*>(bytes_ + samplesOffset_ + slot * slotStride_);
}

int16_t* StreamMemory::scratch() const {
  return reinterpret_cast<int16_t*>(bytes_ + samplesOffset_ + slotCount_ * slotStride_);
}

void StreamMemory::publish() {
  auto& sequence = word(kStatisticsSequence);
  const int32_t before = sequence.load(std::memory_order_relaxed);
  sequence.store(before + 1, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_release);
  for (int i = 0; i < kStatisticCount; i++) {
    const auto value = static_cast<uint64_t>(statistics[i]);
    word(kStatistics + 2 * i).store(static_cast<int32_t>(value), std::memory_order_relaxed);
    word(kStatistics + 2 * i + 1)
        .store(static_cast<int32_t>(value >> 32), std::memory_order_relaxed);
  }
  sequence.store(before + 2, std::memory_order_release);
}

bool StreamMemory::read(int64_t* to, int count) const {
  const auto& sequence = word(kStatisticsSequence);
  for (int reads = 0; reads < kReadsMax; reads++) {
    const int32_t before = sequence.load(std::memory_order_acquire);
    if ((before & 1) != 0) continue;
    for (int i = 0; i < count; i++) {
      const auto low = static_cast<uint32_t>(
          word(kStatistics + 2 * i).load(std::memory_order_relaxed));
      const auto high = static_cast<uint32_t>(
          word(kStatistics + 2 * i + 1).load(std::memory_order_relaxed));
      to[i] = static_cast<int64_t>(static_cast<uint64_t>(high) << 32 | low);
    }
    std::atomic_thread_fence(std::memory_order_acquire);
    if (sequence.load(std::memory_order_relaxed) == before) return true;
  }
  return false;
}

}  // namespace kvm_audio
