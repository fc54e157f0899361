/* Faults with the card in its place: each gives what hardware gives, and ends. */
#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

#define PERIOD (RATE / 100)
#define BUFFER (RATE / 2)

static int16_t samples[RATE * 4];
static int16_t heard[RATE * 4];

static void host_idle(void)
{
	snd_pcm_t *pcm = open_running(SND_PCM_STREAM_PLAYBACK, SND_PCM_NONBLOCK);
	snd_pcm_sframes_t put, delay, later;

	check_result(control("x", "host-idle on"), 0);
	while ((put = snd_pcm_writei(pcm, samples, BUFFER)) > 0)
		;
	check_result(put, -EAGAIN);
	check_result(snd_pcm_wait(pcm, 50), 0);
	check_result(snd_pcm_delay(pcm, &delay), 0);
	sleep_ms(20);
	check_result(snd_pcm_delay(pcm, &later), 0);
	check_result(later, delay);
	check_result(snd_pcm_state(pcm), SND_PCM_STATE_RUNNING);
	check_result(control("x", "host-idle off"), 0);
	check_result(snd_pcm_wait(pcm, 10000), 1);
	check_result(snd_pcm_delay(pcm, &later), 0);
	check(later < delay, "it goes on");
	snd_pcm_close(pcm);
}

/* What waited is heard when the host listens again: whole, with silence in the gap. */
static void host_idle_loses_nothing(void)
{
	struct setup setup = plain_setup(SND_PCM_STREAM_CAPTURE);
	snd_pcm_t *play = open_pcm("x", plain_setup(SND_PCM_STREAM_PLAYBACK));
	snd_pcm_t *capture;
	snd_pcm_sframes_t delay;
	int64_t lead, before, position;

	setup.buffer = RATE;
	capture = open_pcm("x", setup);
	fill_pattern(samples, PERIOD * 40, 1);
	write_all(play, samples, 20 * PERIOD);
	check_result(snd_pcm_start(capture), 0);
	check_result(snd_pcm_start(play), 0);
	lead = card_number("x", SND_PCM_STREAM_PLAYBACK, "start") -
	       card_number("x", SND_PCM_STREAM_CAPTURE, "start");
	check_result(snd_pcm_wait(capture, 10000), 1);
	check_result(control("x", "host-idle on"), 0);
	check_result(snd_pcm_delay(play, &delay), 0);
	before = 20 * PERIOD - delay;
	position = card_number("x", SND_PCM_STREAM_CAPTURE, "position");
	wait_position("x", SND_PCM_STREAM_CAPTURE, position + 2 * PERIOD);
	check_result(control("x", "host-idle off"), 0);
	check_result(snd_pcm_drain(play), 0);
	if (lead > 0)
		read_all(capture, heard, (snd_pcm_uframes_t)lead);
	read_all(capture, heard, (snd_pcm_uframes_t)before + 2 * PERIOD);
	check(memcmp(heard, samples, (size_t)before * 4) == 0, "before the halt");
	for (int64_t i = before * 2; i < (before + 2 * PERIOD) * 2; i++)
		check(heard[i] == 0, "not silent at %ld of %ld", (long)i / 2, (long)before);
	do
		read_all(capture, heard, 1);
	while (heard[0] == 0);
	read_all(capture, heard + 2, (snd_pcm_uframes_t)delay - 1);
	check(memcmp(heard, samples + before * 2, (size_t)delay * 4) == 0, "after the halt");
	snd_pcm_close(play);
	snd_pcm_close(capture);
}

static void host_idle_eio(void)
{
	snd_pcm_t *pcm = open_running(SND_PCM_STREAM_PLAYBACK, 0);
	snd_pcm_sframes_t put;
	int64_t began = now_ns();

	check_result(control("x", "host-idle on --eio"), 0);
	while ((put = snd_pcm_writei(pcm, samples, BUFFER)) > 0)
		;
	check_result(put, -EIO);
	check(now_ns() - began > 400000000, "too soon");
	check_result(snd_pcm_wait(pcm, 20), 0);
	snd_pcm_close(pcm);
}

static void no_signal(void)
{
	snd_pcm_t *capture = open_running(SND_PCM_STREAM_CAPTURE, SND_PCM_NONBLOCK);
	snd_pcm_t *play = open_running(SND_PCM_STREAM_PLAYBACK, 0);
	snd_pcm_sframes_t got, delay, later;

	check_result(control("x", "no-signal on"), 0);
	while ((got = snd_pcm_readi(capture, heard, BUFFER)) > 0)
		;
	check_result(got, -EAGAIN);
	check_result(snd_pcm_wait(capture, 50), 0);
	check_result(snd_pcm_readi(capture, heard, PERIOD), -EAGAIN);
	check_result(snd_pcm_delay(play, &delay), 0);
	sleep_ms(20);
	check_result(snd_pcm_delay(play, &later), 0);
	check(later < delay, "the playback side runs on");
	check_result(control("x", "no-signal off"), 0);
	check_result(snd_pcm_wait(capture, 10000), 1);
	check(snd_pcm_readi(capture, heard, PERIOD) > 0, "it goes on");
	snd_pcm_close(capture);
	snd_pcm_close(play);
}

struct hanging {
	snd_pcm_t *pcm;
	_Atomic bool back;
};

static void *call_hanging(void *argument)
{
	struct hanging *hanging = argument;

	snd_pcm_avail_update(hanging->pcm);
	hanging->back = true;
	return NULL;
}

static void hang(void)
{
	struct hanging hanging = {open_running(SND_PCM_STREAM_CAPTURE, 0), false};
	pthread_t thread;

	check_result(control("x", "hang on"), 0);
	check_result(pthread_create(&thread, NULL, call_hanging, &hanging), 0);
	sleep_ms(200);
	check(!hanging.back, "the call came back");
	check_result(control("x", "hang off"), 0);
	pthread_join(thread, NULL);
	snd_pcm_close(hanging.pcm);
}

static void suspend(void)
{
	snd_pcm_t *play = open_running(SND_PCM_STREAM_PLAYBACK, 0);
	snd_pcm_t *capture = open_running(SND_PCM_STREAM_CAPTURE, 0);
	pthread_t later;
	int tries = 0;

	later = control_later("suspend");
	while (snd_pcm_state(capture) == SND_PCM_STATE_RUNNING)
		snd_pcm_readi(capture, heard, PERIOD);
	pthread_join(later, NULL);
	check_result(snd_pcm_readi(capture, heard, PERIOD), -ESTRPIPE);
	check_result(snd_pcm_writei(play, samples, PERIOD), -ESTRPIPE);
	check_result(snd_pcm_state(play), SND_PCM_STATE_SUSPENDED);
	check_result(snd_pcm_wait(play, 1000), -ESTRPIPE);
	check_result(snd_pcm_prepare(play), -ESTRPIPE);
	snd_pcm_resume(play);
	check_result(snd_pcm_state(play), SND_PCM_STATE_SUSPENDED);
	check_result(control("x", "resume"), 0);
	while (snd_pcm_state(capture) == SND_PCM_STATE_SUSPENDED && tries++ < 3)
		check_result(snd_pcm_resume(capture), 0);
	check_result(snd_pcm_state(capture), SND_PCM_STATE_RUNNING);
	read_all(capture, heard, PERIOD);
	check_result(snd_pcm_prepare(play), 0);
	write_all(play, samples, BUFFER);
	check_result(snd_pcm_start(play), 0);
	snd_pcm_close(play);
	snd_pcm_close(capture);
}

static void forced_xrun(void)
{
	snd_pcm_t *play = open_running(SND_PCM_STREAM_PLAYBACK, 0);
	snd_pcm_t *capture = open_endless();

	check_result(control("x", "xrun playback"), 0);
	check_result(snd_pcm_writei(play, samples, PERIOD), -EPIPE);
	check(snd_pcm_avail_update(capture) >= 0, "only the playback");
	check_result(snd_pcm_prepare(play), 0);
	write_all(play, samples, PERIOD);
	check_result(snd_pcm_start(play), 0);
	check_result(control("x", "xrun"), 0);
	check_result(snd_pcm_avail_update(capture), -EPIPE);
	check_result(snd_pcm_wait(capture, 10000), -EPIPE);
	check_result(snd_pcm_avail_update(play), -EPIPE);
	check_result(control("x", "xrun 2>/dev/null"), 1);
	snd_pcm_close(play);
	snd_pcm_close(capture);
}

static void skew(void)
{
	snd_pcm_t *pcm = open_endless();
	snd_pcm_sframes_t before, after;
	int64_t began;
	double ppm;

	check(fabs(measured_rate(pcm) / RATE - 1) * 1e6 < 100, "without skew");
	check_result(control("x", "skew 300"), 0);
	ppm = (measured_rate(pcm) / RATE - 1) * 1e6;
	check(ppm > 200 && ppm < 400, "%.0f ppm", ppm);
	began = now_ns();
	before = snd_pcm_avail_update(pcm);
	check_result(control("x", "skew -1000"), 0);
	after = snd_pcm_avail_update(pcm);
	check(after >= before && after - before <= (now_ns() - began) / 1000000 * 49 + 100,
	      "the position jumped by %ld", (long)(after - before));
	ppm = (measured_rate(pcm) / RATE - 1) * 1e6;
	check(ppm > -1100 && ppm < -900, "%.0f ppm", ppm);
	snd_pcm_close(pcm);
}

static void check_offer(unsigned int rate)
{
	snd_pcm_hw_params_t *params;
	unsigned int low, high;
	snd_pcm_t *pcm;

	check_result(try_open(&pcm, "x", SND_PCM_STREAM_CAPTURE, 0), 0);
	snd_pcm_hw_params_alloca(&params);
	check(snd_pcm_hw_params_any(pcm, params) >= 0, "no configuration");
	snd_pcm_hw_params_get_rate_min(params, &low, NULL);
	snd_pcm_hw_params_get_rate_max(params, &high, NULL);
	check(low == rate && high == rate, "%u to %u Hz", low, high);
	snd_pcm_close(pcm);
}

static void rate(void)
{
	snd_pcm_t *pcm = open_endless();
	double hz;

	check_result(control("x", "rate 44100"), 0);
	hz = measured_rate(pcm);
	check(fabs(hz - 44100) < 10, "%.1f Hz", hz);
	snd_pcm_close(pcm);
	check_offer(44100);
	check_result(control("x", "rate 192000 2>/dev/null"), 1);
}

static void rate_unsaid(void)
{
	snd_pcm_t *pcm;
	double hz;

	check_result(control("x", "rate 44100 --unsaid"), 0);
	check_offer(48000);
	pcm = open_endless();
	hz = measured_rate(pcm);
	check(fabs(hz - 44100) < 10, "%.1f Hz", hz);
	snd_pcm_close(pcm);
	check_result(control("x", "skew 0"), 0);
	check_offer(48000);
}

static pid_t fork_player(void)
{
	int ready[2];
	char byte;
	pid_t pid;

	check_result(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		snd_pcm_t *pcm = open_running(SND_PCM_STREAM_PLAYBACK, 0);

		check_result(write(ready[1], "r", 1), 1);
		while (snd_pcm_writei(pcm, samples, PERIOD) == PERIOD)
			;
		_exit(1);
	}
	close(ready[1]);
	check_result(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

/* Reads on until a second of nothing but zeros went by. */
static void check_falls_silent(snd_pcm_t *capture)
{
	snd_pcm_uframes_t silent = 0;

	for (int periods = 0; silent < RATE / 2; periods++) {
		check(periods < 1000, "it never falls silent");
		read_all(capture, heard, PERIOD);
		for (int i = 0; i < PERIOD * 2; i++)
			silent = heard[i] == 0 ? silent : 0;
		silent += PERIOD;
	}
}

static void killed_player(void)
{
	struct setup setup = plain_setup(SND_PCM_STREAM_CAPTURE);
	snd_pcm_t *capture, *play;
	pid_t pid;

	fill_pattern(samples, RATE * 2, 9);
	setup.start_threshold = 1;
	setup.buffer = RATE;
	capture = open_pcm("x", setup);
	read_all(capture, heard, PERIOD);
	for (int round = 0; round < 2; round++) {
		pid = fork_player();
		check_result(try_open(&play, "x", SND_PCM_STREAM_PLAYBACK, 0), -EBUSY);
		do
			read_all(capture, heard, PERIOD);
		while (heard[0] == 0);
		kill(pid, round == 0 ? SIGKILL : SIGSTOP);
		check_falls_silent(capture);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		play = open_pcm("x", plain_setup(SND_PCM_STREAM_PLAYBACK));
		write_all(play, samples, BUFFER);
		check_result(snd_pcm_start(play), 0);
		do
			read_all(capture, heard, PERIOD);
		while (heard[0] == 0);
		snd_pcm_close(play);
		check_falls_silent(capture);
	}
	check_result(control("x", "remove 2>/dev/null"), 1);
	snd_pcm_close(capture);
	check_result(control("x", "remove"), 0);
}

const struct test_case fault_cases[] = {
	{"host-idle", host_idle},
	{"host-idle-loses-nothing", host_idle_loses_nothing},
	{"host-idle-eio", host_idle_eio},
	{"no-signal", no_signal},
	{"hang", hang},
	{"suspend", suspend},
	{"forced-xrun", forced_xrun},
	{"skew", skew},
	{"rate", rate},
	{"rate-unsaid", rate_unsaid},
	{"killed-player", killed_player},
	{NULL, NULL},
};
