// Writes a byte to its standard output every 20 ms, as often as there is a frame of sound.
// Ends when nobody reads it.
#include <signal.h>
#include <time.h>
#include <unistd.h>

int main(void) {
  const struct timespec frame = {.tv_nsec = 20000000};
  signal(SIGPIPE, SIG_IGN);
  do nanosleep(&frame, NULL);
  while (write(STDOUT_FILENO, "t", 1) == 1);
  return 0;
}
