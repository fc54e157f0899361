/* A card that goes: to calls that wait already, to calls that follow, and when it is back. */
#include <poll.h>
#include <pthread.h>

#include "harness.h"

#define PERIOD (RATE / 100)
#define BUFFER (RATE / 2)

static int16_t samples[RATE * 4];

static void unplug_wakes_wait(void)
{
	snd_pcm_t *pcm = open_pcm("x", plain_setup(SND_PCM_STREAM_CAPTURE));
	pthread_t later = control_later("unplug");

	check_result(snd_pcm_wait(pcm, -1), -ENODEV);
	check_result(snd_pcm_state(pcm), SND_PCM_STATE_DISCONNECTED);
	pthread_join(later, NULL);
	snd_pcm_close(pcm);
}

static void unplug_wakes_read(void)
{
	snd_pcm_t *pcm = open_running(SND_PCM_STREAM_CAPTURE, 0);
	snd_pcm_sframes_t got;
	pthread_t later;

	check_result(control("x", "no-signal on"), 0);
	later = control_later("unplug");
	while ((got = snd_pcm_readi(pcm, samples, BUFFER)) >= 0)
		;
	check_result(got, -ENODEV);
	pthread_join(later, NULL);
	snd_pcm_close(pcm);
}

static void unplug_wakes_write(void)
{
	snd_pcm_t *pcm = open_running(SND_PCM_STREAM_PLAYBACK, 0);
	snd_pcm_sframes_t put;
	pthread_t later;

	check_result(control("x", "host-idle on"), 0);
	later = control_later("unplug");
	while ((put = snd_pcm_writei(pcm, samples, BUFFER)) >= 0)
		;
	check_result(put, -ENODEV);
	pthread_join(later, NULL);
	snd_pcm_close(pcm);
}

static void unplug_wakes_drain(void)
{
	snd_pcm_t *pcm = open_running(SND_PCM_STREAM_PLAYBACK, 0);
	pthread_t later;

	check_result(control("x", "host-idle on"), 0);
	later = control_later("unplug");
	check_result(snd_pcm_drain(pcm), -ENODEV);
	pthread_join(later, NULL);
	snd_pcm_close(pcm);
}

#define WAIT_CALL 4
#define MMAP_CALL 11

/*
 * Each call on a handle of its own that learns of the unplug by that very call, as far as alsa-lib
 * asks the plugin; for the others, after one that did.
 */
static long call_number(int number, snd_pcm_t *pcm, bool capture)
{
	static snd_pcm_status_t *status;
	const snd_pcm_channel_area_t *areas;
	snd_pcm_sframes_t frames = 0, delay = 0;
	snd_pcm_uframes_t offset, size = PERIOD;
	snd_htimestamp_t stamp;

	if (!status)
		snd_pcm_status_malloc(&status);
	switch (number) {
	case 0: return snd_pcm_avail_update(pcm);
	case 1: return snd_pcm_avail(pcm);
	case 2: return snd_pcm_delay(pcm, &delay);
	case 3: return capture ? snd_pcm_readi(pcm, samples, PERIOD)
			       : snd_pcm_writei(pcm, samples, PERIOD);
	case WAIT_CALL: return snd_pcm_wait(pcm, 10000);
	case 5: return snd_pcm_htimestamp(pcm, &size, &stamp);
	case 6: return snd_pcm_avail_delay(pcm, &frames, &delay);
	case 7: return snd_pcm_prepare(pcm);
	case 8: snd_pcm_avail_update(pcm); return snd_pcm_start(pcm);
	case 9: snd_pcm_avail_update(pcm); return snd_pcm_drop(pcm);
	case 10: snd_pcm_avail_update(pcm); return snd_pcm_drain(pcm);
	case MMAP_CALL: snd_pcm_avail_update(pcm);
		return snd_pcm_mmap_begin(pcm, &areas, &offset, &size);
	default: return 1;
	}
}

#define CALLS 12


static void check_calls(const char *unplug, long error, snd_pcm_stream_t stream, bool started)
{
	for (int number = 0; number < CALLS; number++) {
		struct setup setup = plain_setup(stream);
		snd_pcm_t *pcm;
		long got;

		setup.access = number == MMAP_CALL ? SND_PCM_ACCESS_MMAP_INTERLEAVED : setup.access;
		pcm = open_pcm("x", setup);
		if (stream == SND_PCM_STREAM_PLAYBACK && number != MMAP_CALL)
			write_all(pcm, samples, BUFFER);
		if (started)
			check_result(snd_pcm_start(pcm), 0);
		check_result(control("x", unplug), 0);
		got = call_number(number, pcm, stream == SND_PCM_STREAM_CAPTURE);
		check(got == error, "call %d, %s, %s, gave %ld", number,
		      snd_pcm_stream_name(stream), started ? "running" : "prepared", got);
		check_result(control("x", "replug"), 0);
		got = call_number(number, pcm, stream == SND_PCM_STREAM_CAPTURE);
		/* alsa-lib's wait has no state for EBADFD: it may say "ready"; the read fails. */
		check(got == error || (number == WAIT_CALL && error == -EBADFD),
		      "call %d after the replug gave %ld", number, got);
		snd_pcm_close(pcm);
	}
}

static void unplug_every_call(void)
{
	check_calls("unplug", -ENODEV, SND_PCM_STREAM_PLAYBACK, true);
	check_calls("unplug", -ENODEV, SND_PCM_STREAM_CAPTURE, true);
	check_calls("unplug", -ENODEV, SND_PCM_STREAM_PLAYBACK, false);
	check_calls("unplug", -ENODEV, SND_PCM_STREAM_CAPTURE, false);
}

static void unplug_ebadfd(void)
{
	check_calls("unplug --errno EBADFD", -EBADFD, SND_PCM_STREAM_PLAYBACK, true);
	check_calls("unplug --errno EBADFD", -EBADFD, SND_PCM_STREAM_CAPTURE, true);
}

static void unplug_poll(void)
{
	snd_pcm_t *pcm = open_running(SND_PCM_STREAM_CAPTURE, SND_PCM_NONBLOCK);
	struct pollfd fds[8];
	unsigned short events;
	int count = snd_pcm_poll_descriptors(pcm, fds, 8);

	check_result(control("x", "unplug"), 0);
	for (int round = 0; round < 3; round++) {
		check(poll(fds, (nfds_t)count, 10000) > 0, "round %d: not woken", round);
		check_result(
			snd_pcm_poll_descriptors_revents(pcm, fds, (unsigned)count, &events), 0);
		check_result(events, POLLERR | POLLNVAL);
	}
	snd_pcm_close(pcm);
}

static void replug(void)
{
	snd_pcm_t *dead = open_running(SND_PCM_STREAM_PLAYBACK, 0);
	snd_pcm_t *pcm;

	check_result(control("x", "unplug"), 0);
	check_result(control("x", "unplug 2>/dev/null"), 1);
	check_result(try_open(&pcm, "x", SND_PCM_STREAM_PLAYBACK, 0), -ENOENT);
	check_result(try_open(&pcm, "x", SND_PCM_STREAM_CAPTURE, 0), -ENOENT);
	check_result(control("x", "replug"), 0);
	check_result(control("x", "replug 2>/dev/null"), 1);
	check_result(snd_pcm_writei(dead, samples, PERIOD), -ENODEV);
	pcm = open_running(SND_PCM_STREAM_PLAYBACK, 0);
	check_result(snd_pcm_prepare(dead), -ENODEV);
	snd_pcm_close(dead);
	check_result(snd_pcm_state(pcm), SND_PCM_STATE_RUNNING);
	check(snd_pcm_avail_update(pcm) >= 0, "the new handle does not mind the old one");
	snd_pcm_close(pcm);
}

const struct test_case unplug_cases[] = {
	{"unplug-wakes-wait", unplug_wakes_wait},
	{"unplug-wakes-read", unplug_wakes_read},
	{"unplug-wakes-write", unplug_wakes_write},
	{"unplug-wakes-drain", unplug_wakes_drain},
	{"unplug-every-call", unplug_every_call},
	{"unplug-ebadfd", unplug_ebadfd},
	{"unplug-poll", unplug_poll},
	{"replug", replug},
	{NULL, NULL},
};
