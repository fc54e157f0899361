#define _GNU_SOURCE
#include "stream_poll.h"

#include <errno.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "card_cable.h"
#include "card_clock.h"
#include "card_halts.h"

#define AT_ONCE_NS 1
#define NEVER_NS 0

int stream_poll_open(struct stream *stream)
{
	int err;

	stream->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	stream->watch_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (stream->timer_fd >= 0 && stream->watch_fd >= 0 &&
	    inotify_add_watch(stream->watch_fd, stream->card.path, IN_ATTRIB) >= 0)
		return 0;
	err = -errno;
	stream_poll_close(stream);
	return err;
}

void stream_poll_close(struct stream *stream)
{
	if (stream->timer_fd >= 0)
		close(stream->timer_fd);
	if (stream->watch_fd >= 0)
		close(stream->watch_fd);
	stream->timer_fd = -1;
	stream->watch_fd = -1;
}

/* The timer is never read, so it is readable exactly from its time on; each call is a syscall. */
static void set_timer(struct stream *stream, int64_t when_ns)
{
	bool is_readable = stream->armed_ns != NEVER_NS && stream->armed_ns <= monotonic_ns();
	struct itimerspec timer = {
		.it_value = {.tv_sec = when_ns / NS_PER_SECOND, .tv_nsec = when_ns % NS_PER_SECOND},
	};

	if (when_ns == stream->armed_ns || (when_ns == AT_ONCE_NS && is_readable))
		return;
	stream->armed_ns = when_ns;
	timerfd_settime(stream->timer_fd, TFD_TIMER_ABSTIME, &timer, NULL);
}

void stream_poll_kick(struct stream *stream)
{
	set_timer(stream, AT_ONCE_NS);
}

/* A blocked call on a side that stands still ends with EIO some time; a poll just times out. */
static int64_t halted_deadline_ns(const struct stream *stream)
{
	int64_t wait_ms = atomic_load(&stream->card.header->halted_eio_ms);

	return stream->io.nonblock ? NEVER_NS : stream->wait_began_ns + wait_ms * 1000000;
}

static bool is_halted(const struct stream *stream)
{
	return halts_lasting(&stream->card.header->halts[stream->side]);
}

/* When the pointer gets to `frames`. */
static int64_t time_at(const struct stream *stream, int64_t frames)
{
	const struct card_header *header = stream->card.header;
	struct halts_span at =
		halts_card_at(&header->halts[stream->side],
			      stream->start + frames - stream->held_frames);

	return card_clock_time_at(&header->clock, at.position);
}

static int64_t round_up(int64_t frames, int64_t step)
{
	return frames <= 0 ? 0 : (frames + step - 1) / step * step;
}

/* When a running stream has something to say. */
static int64_t running_wake_ns(const struct stream *stream, int64_t frames, int64_t appl)
{
	int64_t buffer = stream_is_capture(stream) ? 0 : (int64_t)stream->io.buffer_size;
	int64_t ready = appl - buffer + (int64_t)stream->avail_min;
	int64_t wake;

	if (frames >= ready)
		return AT_ONCE_NS;
	if (is_halted(stream))
		return halted_deadline_ns(stream);
	/* Like a card's interrupt, at the end of a period; an xrun is one too. */
	wake = round_up(ready, (int64_t)stream->io.period_size);
	if (stream->stop_threshold < stream->boundary) {
		int64_t xrun = appl - buffer + (int64_t)stream->stop_threshold;

		wake = xrun < wake ? xrun : wake;
	}
	return time_at(stream, wake);
}

static int64_t wake_ns(const struct stream *stream, int64_t frames, int64_t appl)
{
	switch (stream->io.state) {
	case SND_PCM_STATE_RUNNING:
		return running_wake_ns(stream, frames, appl);
	case SND_PCM_STATE_DRAINING:
		if (stream_is_capture(stream) || frames >= appl)
			return AT_ONCE_NS;
		return is_halted(stream) ? halted_deadline_ns(stream) : time_at(stream, appl);
	case SND_PCM_STATE_PREPARED:
		if (!stream_is_capture(stream) &&
		    (int64_t)stream->io.buffer_size - appl >= (int64_t)stream->avail_min)
			return AT_ONCE_NS;
		return NEVER_NS;
	default:
		return AT_ONCE_NS;
	}
}

void stream_poll_arm(struct stream *stream, snd_pcm_uframes_t appl_added)
{
	int64_t frames = stream_look(stream);
	int64_t appl = stream_appl(stream, frames) + (int64_t)appl_added;

	set_timer(stream, wake_ns(stream, frames, appl));
}

void stream_poll_descriptors(struct stream *stream, struct pollfd *fds)
{
	stream->wait_began_ns = monotonic_ns();
	stream_poll_arm(stream, 0);
	fds[0] = (struct pollfd){.fd = stream->timer_fd, .events = POLLIN};
	fds[1] = (struct pollfd){.fd = stream->watch_fd, .events = POLLIN};
}

static void forget_touches(const struct stream *stream)
{
	char events[4096];

	while (read(stream->watch_fd, events, sizeof(events)) > 0)
		;
}

/* The time is up for a blocked call on a side that stands still. */
static bool is_given_up(const struct stream *stream)
{
	return is_halted(stream) && !stream->io.nonblock &&
	       monotonic_ns() >= halted_deadline_ns(stream);
}

/* Compare snd_pcm_poll() in the kernel's sound/core/pcm_native.c. */
static unsigned short meaning(const struct stream *stream, int64_t frames)
{
	unsigned short ready = stream_is_capture(stream) ? POLLIN : POLLOUT;
	int64_t queued;

	switch (stream->io.state) {
	case SND_PCM_STATE_RUNNING:
	case SND_PCM_STATE_PREPARED:
		queued = stream_queued(stream, frames);
		if (!stream_is_capture(stream))
			queued = (int64_t)stream->io.buffer_size - queued;
		if (queued >= (int64_t)stream->avail_min)
			return ready;
		return is_given_up(stream) ? POLLERR : 0;
	case SND_PCM_STATE_DRAINING:
		if (stream_is_capture(stream))
			return ready;
		return is_given_up(stream) ? POLLERR : 0;
	case SND_PCM_STATE_OPEN:
	case SND_PCM_STATE_DISCONNECTED:
		return POLLERR | POLLNVAL;
	default:
		return ready | POLLERR;
	}
}

unsigned short stream_poll_revents(struct stream *stream, const struct pollfd *fds)
{
	if (fds[1].revents)
		forget_touches(stream);
	stream_poll_arm(stream, 0);
	return meaning(stream, stream_look(stream));
}
