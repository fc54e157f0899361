/*
 * One open handle: the stream behind a snd_pcm_t. Its pointer counts frames since its start; a
 * stream is a cursor over its side of the card, it owns no thread and copies nothing on its own.
 * alsa-lib calls it under the handle's lock, except poll_revents and poll_descriptors.
 */
#ifndef STREAM_H
#define STREAM_H

#include <alsa/asoundlib.h>
#include <alsa/pcm_external.h>
#include <pthread.h>
#include <stdbool.h>

#include "card_file.h"

struct stream {
	snd_pcm_ioplug_t io;
	struct card card;
	enum card_side side;
	uint32_t plug;             /* the card's plug count when opened: any other, we are dead */
	uint32_t pid;
	uint32_t xruns_seen;       /* forced xruns before this start */

	bool moving;               /* started and not stopped */
	int64_t start;             /* side position of frame 0 */
	int64_t held_frames;       /* playback: the pointer is ahead of the position by them */
	int64_t rest_frames;       /* the pointer while not moving */

	snd_pcm_uframes_t boundary;
	snd_pcm_uframes_t avail_min;
	snd_pcm_uframes_t stop_threshold;
	uint8_t *waiting;          /* playback: samples written before the start, one buffer */
	snd_pcm_state_t suspended_in;

	int64_t looked_ns;         /* see stream_look */
	int64_t looked_frames;
	bool look_repeated;
	unsigned int looks_in_a_row;
	snd_pcm_uframes_t returned; /* what pointer() gave last: alsa-lib adds the difference */

	pthread_mutex_t guard;     /* the poll callbacks come without alsa-lib's own lock */
	int timer_fd;
	int watch_fd;
	int64_t armed_ns;          /* when the timer fires or fired; 0: never */
	int64_t wait_began_ns;
};

static inline bool stream_is_capture(const struct stream *stream)
{
	return stream->side == CARD_CAPTURE;
}

/* Is the card still there? If not, the handle is made dead for ever; -ENODEV or what was asked. */
int stream_check(struct stream *stream);

int stream_prepare(struct stream *stream);
int stream_start(struct stream *stream);
void stream_stop(struct stream *stream);

/* Goes on where the suspension stopped it; -EAGAIN while the card is still suspended. */
int stream_resume(struct stream *stream);

/* Looks at the card: moves the state (xrun, suspended, dead) and gives the pointer in frames. */
int64_t stream_look(struct stream *stream);

/* Frames that the application is ahead of the pointer (playback), or behind it (capture). */
int64_t stream_queued(const struct stream *stream, int64_t frames);

/* What snd_pcm_delay tells: with what the card holds beyond its buffer. */
int64_t stream_delay(const struct stream *stream, int64_t frames);

/* The application's position, in frames since the start. */
int64_t stream_appl(const struct stream *stream, int64_t frames);

snd_pcm_sframes_t stream_transfer(struct stream *stream, uint8_t *samples,
				  snd_pcm_uframes_t frames);

/* Tells the status command where the stream is, in the state that it is about to have. */
void stream_report(struct stream *stream, snd_pcm_state_t state);

#endif
