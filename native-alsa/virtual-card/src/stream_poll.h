/*
 * When a waiting program is woken. Two descriptors: a timer armed for the next moment that matters
 * (so an idle waiter costs nothing), and a watch on the card's file that every control command
 * touches.
 */
#ifndef STREAM_POLL_H
#define STREAM_POLL_H

#include "stream.h"

#define STREAM_POLL_FDS 2

int stream_poll_open(struct stream *stream);
void stream_poll_close(struct stream *stream);

/* Arms the timer anew; `appl_added` frames are about to be added to the application's pointer. */
void stream_poll_arm(struct stream *stream, snd_pcm_uframes_t appl_added);

/* Fires at once: whoever waits in another thread must look again. */
void stream_poll_kick(struct stream *stream);

void stream_poll_descriptors(struct stream *stream, struct pollfd *fds);

/* What a poll means, as the kernel's PCM poll has it. */
unsigned short stream_poll_revents(struct stream *stream, const struct pollfd *fds);

#endif
