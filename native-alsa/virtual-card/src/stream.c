#include "stream.h"

#include <errno.h>
#include <string.h>

#include "card_cable.h"
#include "card_clock.h"

#define LOOP_NS 2000000LL

static bool is_suspended(const struct stream *stream)
{
	return atomic_load(&stream->card.header->halts[stream->side].reasons) & CARD_HALT_SUSPENDED;
}

static int gone_errno(const struct stream *stream)
{
	return atomic_load(&stream->card.header->gone_errno) == EBADFD ? EBADFD : ENODEV;
}

/*
 * A dead handle's state makes alsa-lib refuse nearly every call with the right error: DISCONNECTED
 * gives ENODEV, OPEN gives EBADFD. snd_pcm_avail_update alone does not look at the state, it gives
 * the difference of the two pointers: so they are set to differ by the error.
 */
static void bury(struct stream *stream)
{
	int err = gone_errno(stream);

	stream->moving = false;
	snd_pcm_ioplug_set_state(&stream->io, err == EBADFD ? SND_PCM_STATE_OPEN
							    : SND_PCM_STATE_DISCONNECTED);
	stream->io.appl_ptr = 0;
	stream->io.hw_ptr = (snd_pcm_uframes_t)-err;
	if (!stream_is_capture(stream))
		stream->io.hw_ptr -= stream->io.buffer_size;
}

int stream_check(struct stream *stream)
{
	card_hang_point(&stream->card);
	if (atomic_load(&stream->card.header->plug) == stream->plug)
		return 0;
	bury(stream);
	return -gone_errno(stream);
}

/* The pointer as the card has it at a moment, without looking at anything else. */
static int64_t moved_frames(const struct stream *stream, int64_t now_ns)
{
	if (!stream->moving)
		return stream->rest_frames;
	return card_side_position(&stream->card, stream->side, now_ns) - stream->start +
	       stream->held_frames;
}

int64_t stream_queued(const struct stream *stream, int64_t frames)
{
	snd_pcm_uframes_t pointer = (snd_pcm_uframes_t)((uint64_t)frames % stream->boundary);
	snd_pcm_sframes_t ahead = (snd_pcm_sframes_t)(stream->io.appl_ptr - pointer);
	snd_pcm_sframes_t half = (snd_pcm_sframes_t)(stream->boundary / 2);

	/* Both pointers wrap at the boundary; what is queued is far less than half of it. */
	if (ahead > half)
		ahead -= (snd_pcm_sframes_t)stream->boundary;
	else if (ahead < -half)
		ahead += (snd_pcm_sframes_t)stream->boundary;
	return stream_is_capture(stream) ? -ahead : ahead;
}

int64_t stream_delay(const struct stream *stream, int64_t frames)
{
	return stream_queued(stream, frames) + (stream->moving ? stream->held_frames : 0);
}

int64_t stream_appl(const struct stream *stream, int64_t frames)
{
	int64_t queued = stream_queued(stream, frames);

	return stream_is_capture(stream) ? frames - queued : frames + queued;
}

int stream_prepare(struct stream *stream)
{
	stream->moving = false;
	stream->rest_frames = 0;
	stream->returned = 0;
	stream->looked_ns = 0;
	return is_suspended(stream) ? -ESTRPIPE : 0;
}

/* As transfers of a period each that are under way: never more of them than the buffer has. */
static int64_t frames_to_hold(const struct stream *stream)
{
	int64_t periods = atomic_load(&stream->card.header->hold_periods);
	int64_t frames = periods * (int64_t)stream->io.period_size;
	int64_t buffer = (int64_t)stream->io.buffer_size;

	return frames < buffer ? frames : buffer;
}

static void start_playback(struct stream *stream)
{
	uint32_t waiting = (uint32_t)stream_queued(stream, 0);

	stream->held_frames = frames_to_hold(stream);
	stream->start =
		cable_begin(&stream->card, stream->waiting, waiting, stream->held_frames);
}

int stream_start(struct stream *stream)
{
	struct card_header *header = stream->card.header;

	if (is_suspended(stream))
		return -ESTRPIPE;
	if (stream_is_capture(stream))
		stream->start = card_side_position(&stream->card, CARD_CAPTURE, monotonic_ns());
	else
		start_playback(stream);
	stream->xruns_seen = atomic_load(&header->report[stream->side].xrun_requests);
	stream->moving = true;
	stream->looked_ns = 0;
	return 0;
}

void stream_stop(struct stream *stream)
{
	if (!stream->moving)
		return;
	stream->rest_frames = moved_frames(stream, monotonic_ns());
	stream->moving = false;
	if (!stream_is_capture(stream))
		cable_cut_now(&stream->card);
}

static void fall(struct stream *stream, int64_t frames, snd_pcm_state_t state)
{
	/* What is held after a drain sounds on. */
	if (state == SND_PCM_STATE_XRUN)
		stream_stop(stream);
	stream->moving = false;
	stream->rest_frames = frames;
	snd_pcm_ioplug_set_state(&stream->io, state);
	stream_report(stream, state);
}

static bool is_xrun(struct stream *stream, int64_t frames)
{
	struct card_report *report = &stream->card.header->report[stream->side];
	int64_t queued = stream_queued(stream, frames);
	int64_t buffer = (int64_t)stream->io.buffer_size;
	int64_t avail = stream_is_capture(stream) ? queued : buffer - queued;

	if (atomic_load(&report->xrun_requests) == stream->xruns_seen) {
		if (stream->io.state != SND_PCM_STATE_RUNNING)
			return false;
		if (avail < 0 || (uint64_t)avail < stream->stop_threshold)
			return false;
	}
	atomic_fetch_add(&report->xruns, 1);
	return true;
}

static bool is_drained(const struct stream *stream, int64_t frames)
{
	return stream->io.state == SND_PCM_STATE_DRAINING && !stream_is_capture(stream) &&
	       stream_queued(stream, frames) <= 0;
}

/*
 * snd_pcm_htimestamp reads position, time, position until both positions agree. Where one round
 * takes longer than a sample it would read for ever. So each second look gives the first one's
 * answer if it is at most one sample old; in a tight loop the allowance grows.
 */
static bool may_repeat(struct stream *stream, int64_t now_ns)
{
	int64_t age_ns = now_ns - stream->looked_ns;
	int64_t sample_ns = NS_PER_SECOND / card_clock_rate_hz(&stream->card.header->clock);

	if (stream->look_repeated || age_ns >= sample_ns * (1 + stream->looks_in_a_row)) {
		stream->look_repeated = false;
		stream->looks_in_a_row = age_ns < LOOP_NS ? stream->looks_in_a_row + 1 : 0;
		return false;
	}
	stream->look_repeated = true;
	return true;
}

int64_t stream_look(struct stream *stream)
{
	int64_t now_ns = monotonic_ns();
	int64_t frames;

	if (stream_check(stream) < 0 || !stream->moving)
		return stream->rest_frames;
	if (stream->io.state == SND_PCM_STATE_SUSPENDED)
		return stream->looked_frames;
	if (is_suspended(stream)) {
		stream->suspended_in = stream->io.state;
		snd_pcm_ioplug_set_state(&stream->io, SND_PCM_STATE_SUSPENDED);
		stream_report(stream, SND_PCM_STATE_SUSPENDED);
	}
	frames = may_repeat(stream, now_ns) ? stream->looked_frames : moved_frames(stream, now_ns);
	if (!stream->look_repeated) {
		stream->looked_ns = now_ns;
		stream->looked_frames = frames;
	}
	if (stream->io.state == SND_PCM_STATE_SUSPENDED)
		return frames;
	if (is_xrun(stream, frames))
		fall(stream, frames, SND_PCM_STATE_XRUN);
	else if (is_drained(stream, frames))
		fall(stream, frames = stream_appl(stream, frames), SND_PCM_STATE_SETUP);
	return frames;
}

static void keep_waiting(struct stream *stream, int64_t appl, const uint8_t *samples,
			 uint32_t frames)
{
	size_t frame_bytes = stream->card.header->frame_bytes;
	int64_t room = (int64_t)stream->io.buffer_size - appl;

	if ((int64_t)frames > room)
		frames = room > 0 ? (uint32_t)room : 0;
	memcpy(stream->waiting + (size_t)appl * frame_bytes, samples, frames * frame_bytes);
}

snd_pcm_sframes_t stream_transfer(struct stream *stream, uint8_t *samples,
				  snd_pcm_uframes_t frames)
{
	int64_t appl;
	int err = stream_check(stream);

	if (err < 0)
		return err;
	if (stream->io.state == SND_PCM_STATE_SUSPENDED)
		return -ESTRPIPE;
	if (stream->io.state == SND_PCM_STATE_XRUN)
		return -EPIPE;
	appl = stream_appl(stream, moved_frames(stream, monotonic_ns()));
	if (stream_is_capture(stream))
		cable_read(&stream->card, stream->start + appl, samples, (uint32_t)frames);
	else if (stream->moving)
		cable_write(&stream->card, stream->start + appl, samples, (uint32_t)frames,
			    stream->held_frames);
	else
		keep_waiting(stream, appl, samples, (uint32_t)frames);
	return (snd_pcm_sframes_t)frames;
}

int stream_resume(struct stream *stream)
{
	int err = stream_check(stream);

	if (err < 0)
		return err;
	if (is_suspended(stream))
		return -EAGAIN;
	if (stream->io.state == SND_PCM_STATE_SUSPENDED)
		snd_pcm_ioplug_set_state(&stream->io, stream->suspended_in);
	return 0;
}

void stream_report(struct stream *stream, snd_pcm_state_t state)
{
	struct card_report *report = &stream->card.header->report[stream->side];
	int64_t frames = moved_frames(stream, monotonic_ns());

	/* After a replug the report is the new handle's. */
	if (atomic_load(&stream->card.header->plug) != stream->plug)
		return;
	atomic_store(&report->pid, stream->pid);
	atomic_store(&report->state, (uint32_t)state);
	atomic_store(&report->start, stream->start);
	atomic_store(&report->appl_frames, stream_appl(stream, frames));
	atomic_store(&report->rate_hz, stream->io.rate);
	atomic_store(&report->period_frames, (uint32_t)stream->io.period_size);
	atomic_store(&report->buffer_frames, (uint32_t)stream->io.buffer_size);
}
