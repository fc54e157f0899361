#include "harness.h"

#include <libgen.h>
#include <limits.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../src/card_cable.h"
#include "../src/card_clock.h"

struct setup plain_setup(snd_pcm_stream_t stream)
{
	return (struct setup){
		.stream = stream,
		.access = SND_PCM_ACCESS_RW_INTERLEAVED,
		.period = RATE / 100,
		.buffer = RATE / 2,
		.start_threshold = LONG_MAX,
		.avail_min = RATE / 100,
	};
}

int try_open(snd_pcm_t **pcm, const char *card, snd_pcm_stream_t stream, int mode)
{
	char name[128];

	snprintf(name, sizeof(name), "kvm_card:%s", card);
	return snd_pcm_open(pcm, name, stream, mode);
}

static void set_hardware(snd_pcm_t *pcm, struct setup setup)
{
	snd_pcm_hw_params_t *params;

	snd_pcm_hw_params_alloca(&params);
	check(snd_pcm_hw_params_any(pcm, params) >= 0, "no configuration");
	check_result(snd_pcm_hw_params_set_access(pcm, params, setup.access), 0);
	check_result(snd_pcm_hw_params_set_period_size(pcm, params, setup.period, 0), 0);
	check_result(snd_pcm_hw_params_set_buffer_size(pcm, params, setup.buffer), 0);
	check_result(snd_pcm_hw_params(pcm, params), 0);
}

static void set_software(snd_pcm_t *pcm, struct setup setup)
{
	snd_pcm_sw_params_t *params;
	snd_pcm_uframes_t stop = setup.stop_threshold ? setup.stop_threshold : setup.buffer;

	snd_pcm_sw_params_alloca(&params);
	check_result(snd_pcm_sw_params_current(pcm, params), 0);
	if (stop == ULONG_MAX)
		snd_pcm_sw_params_get_boundary(params, &stop);
	check_result(snd_pcm_sw_params_set_start_threshold(pcm, params, setup.start_threshold), 0);
	check_result(snd_pcm_sw_params_set_stop_threshold(pcm, params, stop), 0);
	check_result(snd_pcm_sw_params_set_avail_min(pcm, params, setup.avail_min), 0);
	check_result(snd_pcm_sw_params_set_tstamp_mode(pcm, params, SND_PCM_TSTAMP_ENABLE), 0);
	check_result(snd_pcm_sw_params_set_tstamp_type(pcm, params, SND_PCM_TSTAMP_TYPE_MONOTONIC),
		     0);
	check_result(snd_pcm_sw_params(pcm, params), 0);
}

snd_pcm_t *open_pcm(const char *card, struct setup setup)
{
	snd_pcm_t *pcm = NULL;

	check_result(try_open(&pcm, card, setup.stream, setup.mode), 0);
	set_hardware(pcm, setup);
	set_software(pcm, setup);
	check_result(snd_pcm_state(pcm), SND_PCM_STATE_PREPARED);
	return pcm;
}

int control(const char *card, const char *command)
{
	char self[PATH_MAX];
	char line[PATH_MAX + 128];
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
	int status;

	check(length > 0, "no /proc/self/exe");
	self[length] = 0;
	snprintf(line, sizeof(line), "%s/kvm-audio-card %s %s", dirname(self), card, command);
	status = system(line);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int64_t card_number(const char *name, snd_pcm_stream_t side, const char *what)
{
	const struct card_report *report;
	struct card card;
	int64_t value = -1;

	check_result(card_open(&card, name, NULL), 0);
	report = &card.header->report[side];
	if (strcmp(what, "position") == 0)
		value = card_side_position(&card, (enum card_side)side, monotonic_ns());
	else if (strcmp(what, "start") == 0)
		value = atomic_load(&report->start);
	else if (strcmp(what, "xruns") == 0)
		value = atomic_load(&report->xruns);
	else
		check(false, "no number %s", what);
	card_close(&card);
	return value;
}

int64_t now_ns(void)
{
	return monotonic_ns();
}

void sleep_ms(int milliseconds)
{
	usleep((useconds_t)milliseconds * 1000);
}

void wait_position(const char *card, snd_pcm_stream_t side, int64_t position)
{
	while (card_number(card, side, "position") < position)
		sleep_ms(1);
}

void fill_pattern(int16_t *samples, size_t count, int seed)
{
	for (size_t i = 0; i < count; i++)
		samples[i] = (int16_t)(1 + (i * 7919 + (size_t)seed * 131) % 32000);
}

void read_all(snd_pcm_t *pcm, void *samples, snd_pcm_uframes_t frames)
{
	check_result(snd_pcm_readi(pcm, samples, frames), frames);
}

void write_all(snd_pcm_t *pcm, const void *samples, snd_pcm_uframes_t frames)
{
	check_result(snd_pcm_writei(pcm, samples, frames), frames);
}

static void *run_later(void *command)
{
	sleep_ms(100);
	check(control("x", command) == 0, "%s", (const char *)command);
	return NULL;
}

pthread_t control_later(const char *command)
{
	pthread_t thread;

	check_result(pthread_create(&thread, NULL, run_later, (void *)(uintptr_t)command), 0);
	return thread;
}

snd_pcm_t *open_running(snd_pcm_stream_t stream, int mode)
{
	static int16_t silence[RATE];
	struct setup setup = plain_setup(stream);
	snd_pcm_t *pcm;

	setup.mode = mode;
	pcm = open_pcm("x", setup);
	if (stream == SND_PCM_STREAM_PLAYBACK)
		write_all(pcm, silence, setup.buffer);
	check_result(snd_pcm_start(pcm), 0);
	return pcm;
}

snd_pcm_t *open_endless(void)
{
	struct setup setup = plain_setup(SND_PCM_STREAM_CAPTURE);
	snd_pcm_t *pcm;

	setup.stop_threshold = ULONG_MAX;
	pcm = open_pcm("x", setup);
	check_result(snd_pcm_start(pcm), 0);
	return pcm;
}

double measured_rate(snd_pcm_t *pcm)
{
	snd_pcm_uframes_t first, last;
	snd_htimestamp_t from, to;
	double seconds;

	check_result(snd_pcm_htimestamp(pcm, &first, &from), 0);
	do {
		sleep_ms(10);
		check_result(snd_pcm_htimestamp(pcm, &last, &to), 0);
		seconds = (double)(to.tv_sec - from.tv_sec) +
			  (double)(to.tv_nsec - from.tv_nsec) / 1e9;
	} while (seconds < 0.7);
	return (double)(last - first) / seconds;
}
