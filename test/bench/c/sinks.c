// Many listeners of the input pipeline in one process, whose cost is small beside the pipeline's.
// Speaks as much of docs/protocol.md as a sink must: hello, its answer, audio packets as the
// server writes them.
//
//   sinks INPUT_SOCK COUNT FRAME_MS
//
// Connects COUNT sinks, one after the other, and writes `ready COUNT` when all are welcomed. At
// SIGUSR1 it tells what came since the last time, at SIGTERM it ends:
//   packets=N missed=N samples=N p50=MS p99=MS max=MS
// Packets and gaps in `seq` are of all sinks. Latency is of the sink that connected last, which the
// server serves last: from the end of the frame at the card (captureTimeUs + FRAME_MS) to the read.
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
  SINKS_MAX = 64,
  MESSAGE_BYTES_MAX = 65536 + 4,
  SAMPLES_MAX = 1 << 18,
  // Length, array and kind, seq, mediaTime, captureTimeUs, flags.
  HEADER_BYTES = 4 + 2 + 5 + 9 + 9 + 1,
  SEQ_AT = 6,
  CAPTURE_AT = 20,
};

struct sink {
  int fd;
  int welcomed;
  int has_seq;
  uint32_t seq;
  size_t filled;
  unsigned char bytes[MESSAGE_BYTES_MAX];
};

static struct sink sinks[SINKS_MAX];
static int count, welcomed;
static double frame_ms;
static long packets, missed, sample_count;
static double samples[SAMPLES_MAX];
static volatile sig_atomic_t stopping, asked;

static void on_signal(int signal) {
  if (signal == SIGTERM) stopping = 1;
  else asked = 1;
}

static void die(const char* what, const char* why) {
  fprintf(stderr, "sinks: %s: %s\n", what, why);
  exit(1);
}

static double now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

static uint64_t big_endian(const unsigned char* bytes, int length) {
  uint64_t value = 0;
  for (int i = 0; i < length; i++) value = value << 8 | bytes[i];
  return value;
}

static int connect_to(const char* path) {
  static const unsigned char hello[] =
      "\0\0\0\x2b\x94\0\1\xa5hello\x83\xa8protocol\1\xa4role\xa4sink\xa6""client\xa5sinks";
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address.sun_path) die(path, "too long");
  strcpy(address.sun_path, path);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || connect(fd, (struct sockaddr*)&address, sizeof address) < 0)
    die(path, strerror(errno));
  if (send(fd, hello, sizeof hello - 1, MSG_NOSIGNAL) != sizeof hello - 1)
    die("hello", strerror(errno));
  return fd;
}

static void on_packet(struct sink* sink, const unsigned char* message) {
  const uint32_t seq = (uint32_t)big_endian(message + SEQ_AT + 1, 4);
  if (sink->has_seq) missed += (uint32_t)(seq - sink->seq - 1);
  sink->has_seq = 1;
  sink->seq = seq;
  packets++;
  if (sink != &sinks[count - 1] || message[CAPTURE_AT] != 0xcf || sample_count == SAMPLES_MAX)
    return;
  samples[sample_count++] = now_ms() - big_endian(message + CAPTURE_AT + 1, 8) / 1e3 - frame_ms;
}

static void on_message(struct sink* sink, const unsigned char* message, size_t bytes) {
  if (bytes > HEADER_BYTES && message[4] == 0x96 && message[5] == 3) {
    on_packet(sink, message);
    return;
  }
  if (sink->welcomed) return;  // a notification
  // Response to id 1 without an error.
  if (bytes < 8 || memcmp(message + 4, "\x94\1\1\xc0", 4) != 0) die("hello", "refused");
  sink->welcomed = 1;
  welcomed++;
}

static void receive(struct sink* sink) {
  const ssize_t got =
      recv(sink->fd, sink->bytes + sink->filled, sizeof sink->bytes - sink->filled, MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) die("the server", got ? strerror(errno) : "closed");
  sink->filled += got;
  size_t at = 0;
  while (sink->filled - at >= 4) {
    const size_t bytes = 4 + big_endian(sink->bytes + at, 4);
    if (bytes > MESSAGE_BYTES_MAX) die("a message", "too long");
    if (sink->filled - at < bytes) break;
    on_message(sink, sink->bytes + at, bytes);
    at += bytes;
  }
  memmove(sink->bytes, sink->bytes + at, sink->filled - at);
  sink->filled -= at;
}

static int ascending(const void* a, const void* b) {
  const double x = *(const double*)a, y = *(const double*)b;
  return (x > y) - (x < y);
}

static double quantile(double part) {
  return sample_count ? samples[(long)(part * (sample_count - 1))] : 0;
}

static void tell(void) {
  qsort(samples, sample_count, sizeof *samples, ascending);
  printf("packets=%ld missed=%ld samples=%ld p50=%.3f p99=%.3f max=%.3f\n", packets, missed,
         sample_count, quantile(0.5), quantile(0.99), quantile(1));
  packets = missed = sample_count = 0;
}

// Signals come only while it waits, so that none is lost between the look and the wait.
static void run(const sigset_t* outside) {
  struct pollfd polls[SINKS_MAX];
  int told = 0;

  for (int i = 0; i < count; i++) polls[i] = (struct pollfd){.fd = sinks[i].fd, .events = POLLIN};
  while (!stopping) {
    if (ppoll(polls, count, NULL, outside) < 0 && errno != EINTR) die("ppoll", strerror(errno));
    if (asked) {
      asked = 0;
      tell();
      continue;
    }
    for (int i = 0; i < count; i++)
      if (polls[i].revents) receive(&sinks[i]);
    if (welcomed == count && !told) {
      told = 1;
      printf("ready %d\n", count);
    }
  }
}

int main(int argc, char** argv) {
  const struct sigaction action = {.sa_handler = on_signal};
  sigset_t blocked, outside;

  if (argc != 4) return fprintf(stderr, "usage: sinks INPUT_SOCK COUNT FRAME_MS\n"), 2;
  count = atoi(argv[2]);
  frame_ms = atof(argv[3]);
  if (count < 1 || count > SINKS_MAX) die("COUNT", "1 to 64");
  setvbuf(stdout, NULL, _IOLBF, 0);
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  sigaddset(&blocked, SIGUSR1);
  sigprocmask(SIG_BLOCK, &blocked, &outside);
  sigaction(SIGTERM, &action, NULL);
  sigaction(SIGUSR1, &action, NULL);
  for (int i = 0; i < count; i++) sinks[i].fd = connect_to(argv[1]);
  run(&outside);
  return 0;
}
