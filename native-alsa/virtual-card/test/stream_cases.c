/* A stream's life without faults: states, thresholds, positions, waking. */
#include <limits.h>
#include <poll.h>
#include <pthread.h>

#include "harness.h"

#define PERIOD (RATE / 100)
#define BUFFER (RATE / 2)

static int16_t samples[RATE * 2];

static void underrun(void)
{
	snd_pcm_t *pcm = open_pcm("x", plain_setup(SND_PCM_STREAM_PLAYBACK));

	write_all(pcm, samples, PERIOD);
	check_result(snd_pcm_start(pcm), 0);
	check_result(snd_pcm_wait(pcm, 10000), 1);
	while (snd_pcm_avail_update(pcm) >= 0)
		sleep_ms(1);
	check_result(snd_pcm_avail_update(pcm), -EPIPE);
	check_result(snd_pcm_state(pcm), SND_PCM_STATE_XRUN);
	check_result(snd_pcm_writei(pcm, samples, PERIOD), -EPIPE);
	check_result(card_number("x", SND_PCM_STREAM_PLAYBACK, "xruns"), 1);
	check_result(snd_pcm_prepare(pcm), 0);
	check_result(snd_pcm_avail_update(pcm), BUFFER);
	write_all(pcm, samples, BUFFER);
	check_result(snd_pcm_start(pcm), 0);
	check_result(snd_pcm_state(pcm), SND_PCM_STATE_RUNNING);
	snd_pcm_close(pcm);
}

static void overrun(void)
{
	struct setup setup = plain_setup(SND_PCM_STREAM_CAPTURE);
	snd_pcm_t *pcm;

	setup.buffer = PERIOD * 4;
	pcm = open_pcm("x", setup);
	check_result(snd_pcm_start(pcm), 0);
	wait_position("x", SND_PCM_STREAM_CAPTURE,
		      card_number("x", SND_PCM_STREAM_CAPTURE, "start") + PERIOD * 4);
	check_result(snd_pcm_readi(pcm, samples, PERIOD), -EPIPE);
	check_result(snd_pcm_state(pcm), SND_PCM_STATE_XRUN);
	check_result(snd_pcm_prepare(pcm), 0);
	check_result(snd_pcm_start(pcm), 0);
	check(snd_pcm_avail_update(pcm) < PERIOD * 4, "starts empty");
	snd_pcm_close(pcm);
}

static void one_per_side(void)
{
	snd_pcm_t *play = open_pcm("x", plain_setup(SND_PCM_STREAM_PLAYBACK));
	snd_pcm_t *capture = open_pcm("x", plain_setup(SND_PCM_STREAM_CAPTURE));
	snd_pcm_t *other;

	check_result(try_open(&other, "x", SND_PCM_STREAM_PLAYBACK, 0), -EBUSY);
	check_result(try_open(&other, "x", SND_PCM_STREAM_CAPTURE, SND_PCM_NONBLOCK), -EBUSY);
	check_result(try_open(&other, "y", SND_PCM_STREAM_PLAYBACK, 0), 0);
	snd_pcm_close(other);
	snd_pcm_close(play);
	check_result(try_open(&other, "x", SND_PCM_STREAM_PLAYBACK, 0), 0);
	snd_pcm_close(other);
	snd_pcm_close(capture);
}

/* delay is exact: with the avail of the same moment it makes up the buffer. */
static void delay_and_avail(void)
{
	snd_pcm_t *pcm = open_pcm("x", plain_setup(SND_PCM_STREAM_PLAYBACK));
	snd_pcm_status_t *status;
	int agreed = 0;

	snd_pcm_status_alloca(&status);
	write_all(pcm, samples, BUFFER);
	check_result(snd_pcm_avail_update(pcm), 0);
	check_result(snd_pcm_start(pcm), 0);
	for (int i = 0; i < 1000; i++) {
		snd_pcm_sframes_t before, avail, delay, after;

		before = snd_pcm_avail_update(pcm);
		check_result(snd_pcm_avail_delay(pcm, &avail, &delay), 0);
		after = snd_pcm_avail_update(pcm);
		if (after < 0)
			break;
		check(delay <= BUFFER - before && delay >= BUFFER - after, "%ld", delay);
		if (after - before <= 1 && avail + delay == BUFFER)
			agreed++;
	}
	check(agreed > 0, "avail + delay never made up the buffer");
	snd_pcm_close(pcm);
}

static void start_threshold(void)
{
	struct setup setup = plain_setup(SND_PCM_STREAM_PLAYBACK);
	snd_pcm_t *pcm;

	setup.start_threshold = 2 * PERIOD;
	pcm = open_pcm("x", setup);
	write_all(pcm, samples, 2 * PERIOD - 1);
	check_result(snd_pcm_state(pcm), SND_PCM_STATE_PREPARED);
	write_all(pcm, samples, BUFFER - 2 * PERIOD);
	check_result(snd_pcm_state(pcm), SND_PCM_STATE_RUNNING);
	snd_pcm_close(pcm);

	setup = plain_setup(SND_PCM_STREAM_CAPTURE);
	setup.start_threshold = 1;
	pcm = open_pcm("x", setup);
	read_all(pcm, samples, PERIOD);
	check_result(snd_pcm_state(pcm), SND_PCM_STATE_RUNNING);
	snd_pcm_close(pcm);
}

static void stop_threshold(void)
{
	struct setup setup = plain_setup(SND_PCM_STREAM_PLAYBACK);
	snd_pcm_t *pcm;
	snd_pcm_sframes_t delay;
	int64_t start;

	setup.stop_threshold = BUFFER - PERIOD;
	pcm = open_pcm("x", setup);
	write_all(pcm, samples, 4 * PERIOD);
	check_result(snd_pcm_start(pcm), 0);
	start = card_number("x", SND_PCM_STREAM_PLAYBACK, "start");
	wait_position("x", SND_PCM_STREAM_PLAYBACK, start + 3 * PERIOD);
	check_result(snd_pcm_avail_update(pcm), -EPIPE);
	snd_pcm_close(pcm);

	setup.stop_threshold = ULONG_MAX;
	pcm = open_pcm("x", setup);
	write_all(pcm, samples, PERIOD);
	check_result(snd_pcm_start(pcm), 0);
	start = card_number("x", SND_PCM_STREAM_PLAYBACK, "start");
	wait_position("x", SND_PCM_STREAM_PLAYBACK, start + BUFFER + 3 * PERIOD);
	check(snd_pcm_avail_update(pcm) >= BUFFER + 2 * PERIOD, "runs on past its buffer");
	check_result(snd_pcm_delay(pcm, &delay), 0);
	check(delay <= -(snd_pcm_sframes_t)(BUFFER / 2), "delay %ld", delay);
	check_result(snd_pcm_state(pcm), SND_PCM_STATE_RUNNING);
	snd_pcm_close(pcm);
}

static void nonblocking(void)
{
	struct setup setup = plain_setup(SND_PCM_STREAM_PLAYBACK);
	snd_pcm_sframes_t moved;
	snd_pcm_t *pcm;

	setup.mode = SND_PCM_NONBLOCK;
	pcm = open_pcm("x", setup);
	check_result(snd_pcm_writei(pcm, samples, BUFFER + PERIOD), BUFFER);
	check_result(snd_pcm_start(pcm), 0);
	do
		moved = snd_pcm_writei(pcm, samples, BUFFER);
	while (moved >= 0);
	check_result(moved, -EAGAIN);
	check_result(snd_pcm_drain(pcm), -EAGAIN);
	snd_pcm_close(pcm);

	setup = plain_setup(SND_PCM_STREAM_CAPTURE);
	setup.mode = SND_PCM_NONBLOCK;
	setup.start_threshold = 1;
	pcm = open_pcm("x", setup);
	do
		moved = snd_pcm_readi(pcm, samples, BUFFER);
	while (moved >= 0);
	check_result(moved, -EAGAIN);
	check_result(snd_pcm_wait(pcm, 10000), 1);
	check(snd_pcm_readi(pcm, samples, PERIOD) == PERIOD, "readable after the wait");
	snd_pcm_close(pcm);
}

/* Woken at the end of the period in which avail_min is reached, not before. */
static void period_wakes(void)
{
	struct setup setup = plain_setup(SND_PCM_STREAM_CAPTURE);
	snd_pcm_t *pcm;
	struct pollfd fds[8];
	unsigned short events;
	int count;
	int polls = 0;

	setup.avail_min = PERIOD + 1;
	pcm = open_pcm("x", setup);
	count = snd_pcm_poll_descriptors_count(pcm);
	check_result(snd_pcm_poll_descriptors(pcm, fds, 8), count);
	check_result(poll(fds, (nfds_t)count, 20), 0);
	check_result(snd_pcm_start(pcm), 0);
	for (int wakes = 0; wakes < 10;) {
		check(poll(fds, (nfds_t)count, 10000) > 0, "no wake-up");
		polls++;
		check_result(
			snd_pcm_poll_descriptors_revents(pcm, fds, (unsigned)count, &events), 0);
		if (!events)
			continue;
		check_result(events, POLLIN);
		check(snd_pcm_avail_update(pcm) >= 2 * PERIOD, "woken inside a period");
		read_all(pcm, samples, 2 * PERIOD);
		wakes++;
	}
	/* One more for the start, and none on the way. */
	check(polls <= 12, "%d polls for 10 wake-ups", polls);
	snd_pcm_close(pcm);
}

static int64_t stamp_ns(snd_htimestamp_t stamp)
{
	return (int64_t)stamp.tv_sec * 1000000000 + stamp.tv_nsec;
}

/* (avail, time) pairs lie on the card's clock to within two samples, whenever they are taken. */
static void timestamps(void)
{
	snd_pcm_t *pcm = open_pcm("x", plain_setup(SND_PCM_STREAM_CAPTURE));
	snd_pcm_uframes_t first, avail;
	snd_htimestamp_t stamp;
	int64_t first_ns;
	int worst = 0;

	check_result(snd_pcm_start(pcm), 0);
	check_result(snd_pcm_htimestamp(pcm, &first, &stamp), 0);
	first_ns = stamp_ns(stamp);
	check(first_ns <= now_ns() && first_ns > now_ns() - 1000000000, "not CLOCK_MONOTONIC");
	for (int i = 0; i < 2000; i++) {
		int64_t passed;
		int off;

		check_result(snd_pcm_htimestamp(pcm, &avail, &stamp), 0);
		passed = (stamp_ns(stamp) - first_ns) * RATE / 1000000000;
		off = abs((int)(passed - (int64_t)(avail - first)));
		worst = off > worst ? off : worst;
		if (avail > BUFFER / 2)
			break;
	}
	check(worst <= 4, "%d frames apart", worst);
	snd_pcm_close(pcm);
}

static void refine(void)
{
	snd_pcm_t *pcm;
	snd_pcm_hw_params_t *params;
	unsigned int low, high;
	snd_pcm_uframes_t period_low, period_high, buffer_high;

	snd_pcm_hw_params_alloca(&params);
	check_result(try_open(&pcm, "CARD=x,RATE=44100,CHANNELS=1", SND_PCM_STREAM_PLAYBACK, 0), 0);
	check(snd_pcm_hw_params_any(pcm, params) >= 0, "no configuration");
	snd_pcm_hw_params_get_rate_min(params, &low, NULL);
	snd_pcm_hw_params_get_rate_max(params, &high, NULL);
	check(low == 44100 && high == 44100, "%u to %u Hz", low, high);
	snd_pcm_hw_params_get_channels_max(params, &high);
	check(high == 1, "%u channels", high);
	snd_pcm_hw_params_get_period_size_min(params, &period_low, NULL);
	snd_pcm_hw_params_get_period_size_max(params, &period_high, NULL);
	snd_pcm_hw_params_get_buffer_size_max(params, &buffer_high);
	check(period_low <= 45 && period_high >= 4410 && buffer_high == 44100, "%lu %lu %lu",
	      period_low, period_high, buffer_high);
	check_result(snd_pcm_hw_params_set_rate(pcm, params, 48000, 0), -EINVAL);
	check_result(snd_pcm_hw_params_set_format(pcm, params, SND_PCM_FORMAT_S32_LE), -EINVAL);
	snd_pcm_close(pcm);
}

static void *drop_later(void *pcm)
{
	sleep_ms(100);
	check_result(snd_pcm_drop(pcm), 0);
	return NULL;
}

/* How a program stops its audio thread: a drop from another thread ends the blocked call. */
static void drop_wakes(void)
{
	snd_pcm_t *pcm = open_running(SND_PCM_STREAM_CAPTURE, 0);
	pthread_t thread;

	check_result(control("x", "no-signal on"), 0);
	check_result(pthread_create(&thread, NULL, drop_later, pcm), 0);
	while (snd_pcm_readi(pcm, samples, PERIOD) > 0)
		;
	pthread_join(thread, NULL);
	check_result(snd_pcm_state(pcm), SND_PCM_STATE_SETUP);
	check_result(snd_pcm_prepare(pcm), 0);
	snd_pcm_close(pcm);
}

const struct test_case stream_cases[] = {
	{"underrun", underrun},
	{"overrun", overrun},
	{"one-per-side", one_per_side},
	{"delay-and-avail", delay_and_avail},
	{"start-threshold", start_threshold},
	{"stop-threshold", stop_threshold},
	{"nonblocking", nonblocking},
	{"period-wakes", period_wakes},
	{"timestamps", timestamps},
	{"refine", refine},
	{"drop-wakes", drop_wakes},
	{NULL, NULL},
};
