#include "cleanMappings.h"

#include <link.h>
#include <malloc.h>
#include <pthread.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstdint>
#include <cstdio>
#include <memory>

namespace kvm_audio {

namespace {

constexpr uintptr_t kPieceBytes = 1 << 20;
constexpr timespec kPause = {0, 20'000'000};

struct Closer {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

// One mapping, as /proc/self/smaps describes it (man 5 proc_pid_smaps).
struct Mapping {
  uintptr_t start = 0;
  uintptr_t end = 0;
  bool cleanFile = false;
  uint64_t residentKb = 0;
};

struct Range {
  uintptr_t start = UINTPTR_MAX;
  uintptr_t end = 0;
};

// Whole pages of what the program's file is mapped to. The program is the first of all objects (man
// 3 dl_iterate_phdr).
int readProgram(dl_phdr_info* info, size_t, void* to) {
  auto* const program = static_cast<Range*>(to);
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const auto& segment = info->dlpi_phdr[i];
    if (segment.p_type != PT_LOAD) continue;
    const uintptr_t start = info->dlpi_addr + segment.p_vaddr;
    program->start = std::min(program->start, start & ~(page - 1));
    program->end = std::max(program->end, (start + segment.p_memsz + page - 1) & ~(page - 1));
  }
  return 1;
}

// The line that a mapping begins with: start-end permissions offset device inode path.
bool readHead(const char* line, Mapping& mapping) {
  char permissions[5] = "";
  unsigned long long inode = 0;
  Mapping read;
  if (std::sscanf(line, "%lx-%lx %4s %*x %*s %llu", &read.start, &read.end, permissions, &inode) != 4)
    return false;
  read.cleanFile = inode != 0 && permissions[0] == 'r' && permissions[1] == '-' &&
                   permissions[3] == 'p';
  mapping = read;
  return true;
}

// A page that was written before the mapping became read-only, as those of relocations, is anonymous,
// in memory or swapped out.
void readFigure(const char* line, Mapping& mapping) {
  unsigned long long kb = 0;
  if (std::sscanf(line, "Rss: %llu kB", &kb) == 1) mapping.residentKb = kb;
  const bool own = std::sscanf(line, "Anonymous: %llu kB", &kb) == 1 ||
                   std::sscanf(line, "Swap: %llu kB", &kb) == 1 ||
                   std::sscanf(line, "Private_Dirty: %llu kB", &kb) == 1;
  if (own && kb > 0) mapping.cleanFile = false;
}

// A little at a time, as what is in use is mapped again by whoever needs it next: not all of it may
// meet one frame.
void unmap(const Mapping& mapping) {
  if (!mapping.cleanFile || mapping.residentKb == 0) return;
  for (uintptr_t at = mapping.start; at < mapping.end; at += kPieceBytes) {
    // Where it fails the piece stays as it is.
    madvise(reinterpret_cast<void*>(at), std::min(kPieceBytes, mapping.end - at), MADV_DONTNEED);
    nanosleep(&kPause, nullptr);
  }
}

// Only the program itself: a library may be unloaded meanwhile, and its addresses be somebody's else.
void unmapAll() {
  Range program;
  dl_iterate_phdr(readProgram, &program);
  const std::unique_ptr<std::FILE, Closer> smaps(std::fopen("/proc/self/smaps", "re"));
  if (!smaps) return;
  Mapping mapping;
  char line[PATH_MAX + 256];
  while (std::fgets(line, sizeof line, smaps.get()) != nullptr) {
    Mapping next;
    if (readHead(line, next)) {
      next.cleanFile = next.cleanFile && next.start >= program.start && next.end <= program.end;
      unmap(mapping);
      mapping = next;
    } else {
      readFigure(line, mapping);
    }
  }
  unmap(mapping);
}

}  // namespace

// Reading smaps takes milliseconds, which the event loop has not.
Napi::Value unmapUnused(const Napi::CallbackInfo& info) {
  pthread_t thread;
  const int error = pthread_create(
      &thread, nullptr,
      [](void*) -> void* {
        unmapAll();
#ifdef __GLIBC__
        malloc_trim(0);
#endif
        return nullptr;
      },
      nullptr);
  if (error == 0) pthread_detach(thread);
  return Napi::Number::New(info.Env(), -error);
}

}  // namespace kvm_audio
