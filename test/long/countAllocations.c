// Preloaded into the daemon's processes: counts what the cards' threads allocate. Each process has
// the count in a file of its own, $KVM_AUDIO_ALLOCATIONS_FOLDER/PID: 64 bits, in memory.
//   cc -shared -fPIC -O2 -o countAllocations.so countAllocations.c
// glibc alone: the calls go on to its own names for them.
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

extern void* __libc_malloc(size_t);
extern void* __libc_calloc(size_t, size_t);
extern void* __libc_realloc(void*, size_t);
extern void* __libc_memalign(size_t, size_t);

static _Atomic(uint64_t)* count;
static __thread int is_cards;

// Called once, before there are threads.
__attribute__((constructor)) static void open_count(void) {
  const char* const folder = getenv("KVM_AUDIO_ALLOCATIONS_FOLDER");
  char path[256];
  if (folder == NULL) return;
  snprintf(path, sizeof path, "%s/%d", folder, (int)getpid());
  const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0 || ftruncate(fd, sizeof *count) < 0) abort();
  void* const at = mmap(NULL, sizeof *count, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (at == MAP_FAILED) abort();
  close(fd);
  count = at;
}

// A thread has its name from its first moments on; before, it is asked again.
static void note(void) {
  char name[16] = "";
  if (count == NULL) return;
  if (!is_cards) {
    prctl(PR_GET_NAME, name);
    is_cards = strncmp(name, "alsa-", 5) == 0;
  }
  if (is_cards) atomic_fetch_add(count, 1);
}

void* malloc(size_t bytes) {
  note();
  return __libc_malloc(bytes);
}

void* calloc(size_t items, size_t bytes) {
  note();
  return __libc_calloc(items, bytes);
}

void* realloc(void* old, size_t bytes) {
  note();
  return __libc_realloc(old, bytes);
}

void* memalign(size_t alignment, size_t bytes) {
  note();
  return __libc_memalign(alignment, bytes);
}

void* aligned_alloc(size_t alignment, size_t bytes) { return memalign(alignment, bytes); }

int posix_memalign(void** to, size_t alignment, size_t bytes) {
  void* const made = memalign(alignment, bytes);
  if (made == NULL) return ENOMEM;
  *to = made;
  return 0;
}
