/* What the cases share: a card of their own, handles on it, the control command, and `check`. */
#ifndef HARNESS_H
#define HARNESS_H

#include <alsa/asoundlib.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RATE 48000

/* Ends the program with the place and the reason. */
#define check(condition, ...)                                                                      \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #condition);            \
			fprintf(stderr, __VA_ARGS__);                                              \
			fprintf(stderr, "\n");                                                     \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)

/* The call gives exactly this, an error by its name. */
#define check_result(call, wanted)                                                                 \
	do {                                                                                       \
		long result_ = (long)(call);                                                       \
		check(result_ == (long)(wanted), "gave %ld (%s)", result_,                         \
		      result_ < 0 ? strerror((int)-result_) : "no error");                         \
	} while (0)

struct setup {
	snd_pcm_stream_t stream;
	int mode;
	snd_pcm_access_t access;        /* 0 is MMAP_INTERLEAVED: see plain_setup */
	snd_pcm_uframes_t period;
	snd_pcm_uframes_t buffer;
	snd_pcm_uframes_t start_threshold;
	snd_pcm_uframes_t stop_threshold; /* 0: the buffer; ULONG_MAX: the boundary */
	snd_pcm_uframes_t avail_min;
};

/* 10 ms periods in a buffer of 0.5 s, started by hand. */
struct setup plain_setup(snd_pcm_stream_t stream);

/* kvm_card with these arguments; "card" alone is the usual one. */
int try_open(snd_pcm_t **pcm, const char *card, snd_pcm_stream_t stream, int mode);
snd_pcm_t *open_pcm(const char *card, struct setup setup);

/* Runs `kvm-audio-card CARD COMMAND` and gives its exit code. */
int control(const char *card, const char *command);

/* The card's own account of a side, without asking a handle. */
int64_t card_number(const char *card, snd_pcm_stream_t side, const char *what);

int64_t now_ns(void);
void sleep_ms(int milliseconds);

/* Samples that are nowhere zero and do not repeat within a test. */
void fill_pattern(int16_t *samples, size_t count, int seed);

/* Waits in small steps until the playback side has passed a position. */
void wait_position(const char *card, snd_pcm_stream_t side, int64_t position);

void read_all(snd_pcm_t *pcm, void *samples, snd_pcm_uframes_t frames);
void write_all(snd_pcm_t *pcm, const void *samples, snd_pcm_uframes_t frames);

/* The command comes while the caller waits in something that else would last for ever. */
pthread_t control_later(const char *command);

/* A started stream of card "x"; a playback has its buffer full of silence. */
snd_pcm_t *open_running(snd_pcm_stream_t stream, int mode);

/* A capture of card "x" that runs and never stops. */
snd_pcm_t *open_endless(void);

/* Frames per second over at least 0.7 s, from (avail, time) pairs of one handle. */
double measured_rate(snd_pcm_t *pcm);

struct test_case {
	const char *name;
	void (*run)(void);
};

extern const struct test_case stream_cases[];
extern const struct test_case sound_cases[];
extern const struct test_case fault_cases[];
extern const struct test_case unplug_cases[];
extern const struct test_case pitch_cases[];
extern const struct test_case hold_cases[];

#endif
