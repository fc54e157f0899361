// What the machine does to everybody: a plain thread that wants to be woken every 5 ms, and writes
// a line for each time that it was woken more than 3 ms late. Ends at SIGTERM.
//
// Lines, times in microseconds of CLOCK_MONOTONIC:
//   late FROM UNTIL     it was to be woken at FROM and was at UNTIL
//   rounds COUNT        last line: how often it was woken
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#define ROUND_NS 5000000LL
#define LATE_NS 3000000LL
#define SECOND_NS 1000000000LL

static volatile sig_atomic_t stopping;

static void on_term(int signal) {
  (void)signal;
  stopping = 1;
}

static int64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * SECOND_NS + now.tv_nsec;
}

static void sleep_until(int64_t at_ns) {
  const struct timespec at = {.tv_sec = at_ns / SECOND_NS, .tv_nsec = at_ns % SECOND_NS};
  while (!stopping && clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR) {
  }
}

int main(void) {
  const struct sigaction action = {.sa_handler = on_term};
  sigaction(SIGTERM, &action, NULL);
  setvbuf(stdout, NULL, _IOLBF, 0);

  long rounds = 0;
  int64_t due_ns = now_ns();
  while (!stopping) {
    due_ns += ROUND_NS;
    sleep_until(due_ns);
    const int64_t woken_ns = now_ns();
    rounds++;
    if (woken_ns - due_ns <= LATE_NS) continue;
    printf("late %lld %lld\n", (long long)due_ns / 1000, (long long)woken_ns / 1000);
    due_ns = woken_ns;
  }
  printf("rounds %ld\n", rounds);
  return 0;
}
