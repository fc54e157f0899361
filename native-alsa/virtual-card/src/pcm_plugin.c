#include "pcm_plugin.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "card_clock.h"
#include "stream_poll.h"

static struct stream *enter(snd_pcm_ioplug_t *io)
{
	struct stream *stream = io->private_data;

	pthread_mutex_lock(&stream->guard);
	return stream;
}

static int leave(struct stream *stream, int result)
{
	pthread_mutex_unlock(&stream->guard);
	return result;
}

static bool is_dead(const struct stream *stream)
{
	return atomic_load(&stream->card.header->plug) != stream->plug;
}

static int on_start(snd_pcm_ioplug_t *io)
{
	struct stream *stream = enter(io);
	int err = stream_check(stream);

	if (err == 0)
		err = stream_start(stream);
	if (err == 0) {
		stream_report(stream, SND_PCM_STATE_RUNNING);
		/* alsa-lib sets the state after this: whoever polls must look again. */
		stream_poll_kick(stream);
	}
	return leave(stream, err);
}

static int on_stop(snd_pcm_ioplug_t *io)
{
	struct stream *stream = enter(io);

	card_hang_point(&stream->card);
	stream_stop(stream);
	stream_report(stream, SND_PCM_STATE_SETUP);
	stream_poll_kick(stream);
	return leave(stream, 0);
}

static snd_pcm_sframes_t on_pointer(snd_pcm_ioplug_t *io)
{
	struct stream *stream = enter(io);
	int64_t frames = stream_look(stream);

	if (!is_dead(stream))
		stream->returned = (snd_pcm_uframes_t)((uint64_t)frames % stream->boundary);
	leave(stream, 0);
	return (snd_pcm_sframes_t)stream->returned;
}

static snd_pcm_sframes_t on_transfer(snd_pcm_ioplug_t *io, const snd_pcm_channel_area_t *areas,
				     snd_pcm_uframes_t offset, snd_pcm_uframes_t size)
{
	struct stream *stream = enter(io);
	uint8_t *samples = (uint8_t *)areas->addr + (areas->first + areas->step * offset) / 8;
	snd_pcm_sframes_t moved = stream_transfer(stream, samples, size);

	if (moved > 0) {
		stream_report(stream, io->state);
		stream_poll_arm(stream, (snd_pcm_uframes_t)moved);
	}
	leave(stream, 0);
	return moved;
}

static int on_delay(snd_pcm_ioplug_t *io, snd_pcm_sframes_t *delay)
{
	struct stream *stream = enter(io);
	int64_t frames = stream_look(stream);
	int err = stream_check(stream);

	*delay = 0;
	if (err == 0 && io->state == SND_PCM_STATE_XRUN)
		err = -EPIPE;
	if (err == 0)
		*delay = (snd_pcm_sframes_t)stream_delay(stream, frames);
	return leave(stream, err);
}

static int on_hw_params(snd_pcm_ioplug_t *io, snd_pcm_hw_params_t *params)
{
	struct stream *stream = enter(io);
	int err = stream_check(stream);

	(void)params;
	if (err == 0) {
		free(stream->waiting);
		stream->waiting = calloc(io->buffer_size, stream->card.header->frame_bytes);
		if (!stream->waiting)
			err = -ENOMEM;
	}
	return leave(stream, err);
}

static int on_sw_params(snd_pcm_ioplug_t *io, snd_pcm_sw_params_t *params)
{
	struct stream *stream = enter(io);
	int err = stream_check(stream);

	if (err == 0) {
		snd_pcm_sw_params_get_boundary(params, &stream->boundary);
		snd_pcm_sw_params_get_avail_min(params, &stream->avail_min);
		snd_pcm_sw_params_get_stop_threshold(params, &stream->stop_threshold);
	}
	return leave(stream, err);
}

static int on_prepare(snd_pcm_ioplug_t *io)
{
	struct stream *stream = enter(io);
	int err = stream_check(stream);

	if (err == 0) {
		stream_stop(stream);
		err = stream_prepare(stream);
	}
	if (err == 0) {
		stream_report(stream, SND_PCM_STATE_PREPARED);
		stream_poll_kick(stream);
	}
	return leave(stream, err);
}

static int on_resume(snd_pcm_ioplug_t *io)
{
	const struct timespec pause = {0, 20000000};
	struct stream *stream = enter(io);
	int err = stream_resume(stream);

	leave(stream, err);
	/* alsa-lib drops this result and says 0: a caller that tries on must not spin. */
	if (err == -EAGAIN)
		nanosleep(&pause, NULL);
	return err;
}

/* One look of a drain: 0 when it is over, 1 while samples are left, or -errno. */
static int drain_step(struct stream *stream, struct pollfd *fds)
{
	unsigned short events;

	fds[0].revents = POLLIN;
	fds[1].revents = POLLIN;
	events = stream_poll_revents(stream, fds);
	switch (stream->io.state) {
	case SND_PCM_STATE_DRAINING:
		if (events & POLLERR)
			return -EIO;
		return stream->io.nonblock ? -EAGAIN : 1;
	case SND_PCM_STATE_SUSPENDED:
		return -ESTRPIPE;
	case SND_PCM_STATE_OPEN:
	case SND_PCM_STATE_DISCONNECTED:
		return stream_check(stream);
	default:
		return 0;
	}
}

static int on_drain(snd_pcm_ioplug_t *io)
{
	struct stream *stream = enter(io);
	struct pollfd fds[STREAM_POLL_FDS];
	int left = stream_check(stream);

	if (left < 0 || stream_is_capture(stream))
		return leave(stream, left);
	/* alsa-lib leaves the start of a stream that was only filled to this callback. */
	if (!stream->moving && stream_queued(stream, 0) > 0)
		left = stream_start(stream);
	if (left == 0 && !stream->moving)
		return leave(stream, 0);
	if (left == 0) {
		stream_report(stream, SND_PCM_STATE_DRAINING);
		stream_poll_descriptors(stream, fds);
		left = drain_step(stream, fds);
	}
	while (left == 1) {
		pthread_mutex_unlock(&stream->guard);
		poll(fds, STREAM_POLL_FDS, -1);
		pthread_mutex_lock(&stream->guard);
		left = drain_step(stream, fds);
	}
	return leave(stream, left);
}

static int on_poll_descriptors_count(snd_pcm_ioplug_t *io)
{
	(void)io;
	return STREAM_POLL_FDS;
}

static int on_poll_descriptors(snd_pcm_ioplug_t *io, struct pollfd *fds, unsigned int space)
{
	struct stream *stream;

	if (space < STREAM_POLL_FDS)
		return -EINVAL;
	stream = enter(io);
	stream_poll_descriptors(stream, fds);
	return leave(stream, STREAM_POLL_FDS);
}

static int on_poll_revents(snd_pcm_ioplug_t *io, struct pollfd *fds, unsigned int count,
			   unsigned short *revents)
{
	struct stream *stream;
	int err = 0;

	if (count < STREAM_POLL_FDS)
		return -EINVAL;
	stream = enter(io);
	*revents = stream_poll_revents(stream, fds);
	/* No state stands for EBADFD in alsa-lib's wait: say it here. */
	if (is_dead(stream) && stream_check(stream) == -EBADFD)
		err = -EBADFD;
	return leave(stream, err);
}

void pcm_plugin_free(struct stream *stream)
{
	stream_poll_close(stream);
	card_close(&stream->card);
	pthread_mutex_destroy(&stream->guard);
	free(stream->waiting);
	free(stream);
}

static int on_close(snd_pcm_ioplug_t *io)
{
	struct stream *stream = io->private_data;

	card_hang_point(&stream->card);
	if (!is_dead(stream))
		stream_stop(stream);
	pcm_plugin_free(stream);
	return 0;
}

static void on_dump(snd_pcm_ioplug_t *io, snd_output_t *out)
{
	snd_output_printf(out, "kvm-audio virtual card, %s\n", io->name);
	snd_output_printf(out, "Its setup is:\n");
	snd_pcm_dump_setup(io->pcm, out);
}

const snd_pcm_ioplug_callback_t pcm_plugin_callbacks = {
	.start = on_start,
	.stop = on_stop,
	.pointer = on_pointer,
	.transfer = on_transfer,
	.close = on_close,
	.hw_params = on_hw_params,
	.sw_params = on_sw_params,
	.prepare = on_prepare,
	.drain = on_drain,
	.resume = on_resume,
	.poll_descriptors_count = on_poll_descriptors_count,
	.poll_descriptors = on_poll_descriptors,
	.poll_revents = on_poll_revents,
	.dump = on_dump,
	.delay = on_delay,
};
