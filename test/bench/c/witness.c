// What the machine does to everybody: on each of its cores a plain thread that wants to be woken
// every 5 ms, and writes a line for each time that it was woken more than 3 ms late. Ends at SIGTERM.
//
// Lines, times in microseconds of CLOCK_MONOTONIC:
//   late FROM UNTIL     one was to be woken at FROM and was at UNTIL
//   rounds COUNT        a thread's last line: how often it was woken
#include <errno.h>
#include <pthread.h>
#include <sched.h>
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

static void *watch(void *unused) {
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
  return unused;
}

int main(void) {
  const struct sigaction action = {.sa_handler = on_term};
  sigaction(SIGTERM, &action, NULL);
  setvbuf(stdout, NULL, _IOLBF, 0);

  cpu_set_t cores;
  if (sched_getaffinity(0, sizeof cores, &cores) != 0) return 1;
  pthread_t threads[CPU_SETSIZE];
  int count = 0;
  for (int core = 0; core < CPU_SETSIZE; core++) {
    if (!CPU_ISSET(core, &cores)) continue;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(core, &one);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setaffinity_np(&attributes, sizeof one, &one);
    if (pthread_create(&threads[count], &attributes, watch, NULL) != 0) return 1;
    count++;
  }
  while (count > 0) pthread_join(threads[--count], NULL);
  return 0;
}
