/* What is played is captured: where, when, and in every shape. */
#include <limits.h>

#include "harness.h"

#define PERIOD (RATE / 100)
#define BUFFER (RATE / 2)

static uint8_t played[RATE * 8];
static uint8_t heard[RATE * 8];

struct pair {
	snd_pcm_t *play;
	snd_pcm_t *capture;
	int64_t lead; /* frames that the capture began before the playback */
};

static struct pair open_pair(snd_pcm_uframes_t buffer)
{
	struct setup setup = plain_setup(SND_PCM_STREAM_PLAYBACK);
	struct pair pair;

	setup.buffer = buffer;
	pair.play = open_pcm("x", setup);
	setup.stream = SND_PCM_STREAM_CAPTURE;
	pair.capture = open_pcm("x", setup);
	return pair;
}

/* The capture first, so that it hears all of the playback. */
static void start_pair(struct pair *pair)
{
	check_result(snd_pcm_start(pair->capture), 0);
	check_result(snd_pcm_start(pair->play), 0);
	pair->lead = card_number("x", SND_PCM_STREAM_PLAYBACK, "start") -
		     card_number("x", SND_PCM_STREAM_CAPTURE, "start");
	check(pair->lead >= 0, "lead %ld", (long)pair->lead);
}

static void close_pair(struct pair pair)
{
	snd_pcm_close(pair.play);
	snd_pcm_close(pair.capture);
}

static void skip(struct pair *pair, int64_t frames)
{
	while (frames > 0) {
		snd_pcm_uframes_t step = (snd_pcm_uframes_t)(frames > PERIOD ? PERIOD : frames);
		snd_pcm_sframes_t some = snd_pcm_readi(pair->capture, heard, step);

		check(some > 0, "read gave %ld", (long)some);
		frames -= some;
	}
}

static void check_silent(const uint8_t *samples, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		check(samples[i] == 0, "byte %zu of the silence is %d", i, samples[i]);
}

static void exact_loop(void)
{
	struct pair pair = open_pair(BUFFER);

	fill_pattern((int16_t *)played, BUFFER * 2, 1);
	write_all(pair.play, played, BUFFER);
	start_pair(&pair);
	skip(&pair, pair.lead);
	read_all(pair.capture, heard, PERIOD);
	check(memcmp(heard, played, PERIOD * 4) == 0, "the first period differs");
	/* What follows is read just behind the position, what is captured is what has passed. */
	for (int i = 1; i < 20; i++) {
		read_all(pair.capture, heard, PERIOD);
		check(memcmp(heard, played + i * PERIOD * 4, PERIOD * 4) == 0, "period %d", i);
	}
	close_pair(pair);
}

static void no_sooner(void)
{
	struct setup setup = plain_setup(SND_PCM_STREAM_PLAYBACK);
	struct pair pair = {0};

	pair.play = open_pcm("x", setup);
	setup.stream = SND_PCM_STREAM_CAPTURE;
	setup.stop_threshold = ULONG_MAX;
	pair.capture = open_pcm("x", setup);
	fill_pattern((int16_t *)played, BUFFER * 2, 2);
	write_all(pair.play, played, BUFFER);
	start_pair(&pair);
	for (int i = 0; i < 1000; i++) {
		snd_pcm_sframes_t heard_now = snd_pcm_avail_update(pair.capture);
		int64_t passed = card_number("x", SND_PCM_STREAM_PLAYBACK, "position") -
				 card_number("x", SND_PCM_STREAM_CAPTURE, "start");

		check(heard_now >= 0 && heard_now <= passed, "%ld of %ld", (long)heard_now,
		      (long)passed);
	}
	close_pair(pair);
}

static void drop_cuts(void)
{
	struct pair pair = open_pair(BUFFER);
	snd_pcm_status_t *status;
	int64_t sounded;

	snd_pcm_status_alloca(&status);
	fill_pattern((int16_t *)played, BUFFER * 2, 3);
	write_all(pair.play, played, BUFFER);
	start_pair(&pair);
	check_result(snd_pcm_wait(pair.capture, 10000), 1);
	check_result(snd_pcm_drop(pair.play), 0);
	check_result(snd_pcm_state(pair.play), SND_PCM_STATE_SETUP);
	check_result(snd_pcm_drop(pair.play), 0);
	sounded = card_number("x", SND_PCM_STREAM_PLAYBACK, "position") -
		  card_number("x", SND_PCM_STREAM_PLAYBACK, "start");
	skip(&pair, pair.lead);
	read_all(pair.capture, heard, (snd_pcm_uframes_t)sounded + PERIOD);
	check_silent(heard + sounded * 4, PERIOD * 4);
	check(memcmp(heard, played, 4) == 0, "the first frame was heard");
	close_pair(pair);
}

static void drain_plays_out(void)
{
	struct pair pair = open_pair(BUFFER);
	int64_t start;

	fill_pattern((int16_t *)played, PERIOD * 10, 4);
	write_all(pair.play, played, PERIOD * 5 - 7);
	start_pair(&pair);
	start = card_number("x", SND_PCM_STREAM_PLAYBACK, "start");
	check_result(snd_pcm_drain(pair.play), 0);
	check_result(snd_pcm_state(pair.play), SND_PCM_STATE_SETUP);
	check(card_number("x", SND_PCM_STREAM_PLAYBACK, "position") >= start + PERIOD * 5 - 7,
	      "drain came back too soon");
	skip(&pair, pair.lead);
	read_all(pair.capture, heard, PERIOD * 5);
	check(memcmp(heard, played, (PERIOD * 5 - 7) * 4) == 0, "not all was heard");
	check_silent(heard + (PERIOD * 5 - 7) * 4, 7 * 4);
	/* Only filled, never started: drain starts it. */
	check_result(snd_pcm_prepare(pair.play), 0);
	write_all(pair.play, played, PERIOD);
	check_result(snd_pcm_drain(pair.play), 0);
	check_result(snd_pcm_state(pair.play), SND_PCM_STATE_SETUP);
	close_pair(pair);
}

/* A stream that may not stop plays silence, and what comes too late is lost. */
static void late_is_lost(void)
{
	struct setup setup = plain_setup(SND_PCM_STREAM_PLAYBACK);
	struct pair pair = {0};
	int64_t gap;

	setup.stop_threshold = ULONG_MAX;
	pair.play = open_pcm("x", setup);
	setup.stream = SND_PCM_STREAM_CAPTURE;
	setup.buffer = RATE;
	pair.capture = open_pcm("x", setup);
	fill_pattern((int16_t *)played, PERIOD * 20, 5);
	write_all(pair.play, played, PERIOD);
	start_pair(&pair);
	wait_position("x", SND_PCM_STREAM_PLAYBACK,
		      card_number("x", SND_PCM_STREAM_PLAYBACK, "start") + 3 * PERIOD);
	write_all(pair.play, played, PERIOD);
	gap = card_number("x", SND_PCM_STREAM_PLAYBACK, "position") -
	      card_number("x", SND_PCM_STREAM_PLAYBACK, "start");
	skip(&pair, pair.lead);
	read_all(pair.capture, heard, (snd_pcm_uframes_t)gap + PERIOD);
	check(memcmp(heard, played, PERIOD * 4) == 0, "the first period was heard");
	check_silent(heard + PERIOD * 4, (size_t)gap * 4);
	close_pair(pair);
}

static void mapped(void)
{
	struct setup setup = plain_setup(SND_PCM_STREAM_PLAYBACK);
	const snd_pcm_channel_area_t *areas;
	snd_pcm_uframes_t offset, frames;
	struct pair pair = {0};
	int64_t left;

	setup.access = SND_PCM_ACCESS_MMAP_INTERLEAVED;
	pair.play = open_pcm("x", setup);
	setup.stream = SND_PCM_STREAM_CAPTURE;
	pair.capture = open_pcm("x", setup);
	fill_pattern((int16_t *)played, BUFFER * 2, 6);
	frames = BUFFER;
	check_result(snd_pcm_avail_update(pair.play), BUFFER);
	check_result(snd_pcm_mmap_begin(pair.play, &areas, &offset, &frames), 0);
	memcpy((uint8_t *)areas->addr + offset * 4, played, frames * 4);
	check_result(snd_pcm_mmap_commit(pair.play, offset, frames), frames);
	start_pair(&pair);
	left = pair.lead + 8 * PERIOD;
	for (int64_t at = -pair.lead; at < 8 * PERIOD; at += (int64_t)frames) {
		snd_pcm_sframes_t avail;

		check_result(snd_pcm_wait(pair.capture, 10000), 1);
		avail = snd_pcm_avail_update(pair.capture);
		check(avail > 0, "%ld", (long)avail);
		frames = (snd_pcm_uframes_t)(avail < left ? avail : left);
		check_result(snd_pcm_mmap_begin(pair.capture, &areas, &offset, &frames), 0);
		for (snd_pcm_uframes_t i = 0; i < frames; i++) {
			int64_t k = at + (int64_t)i;

			if (k >= 0)
				check(memcmp((uint8_t *)areas->addr + (offset + i) * 4,
					     played + k * 4, 4) == 0, "frame %ld", (long)k);
		}
		check_result(snd_pcm_mmap_commit(pair.capture, offset, frames), frames);
		left -= (int64_t)frames;
	}
	close_pair(pair);
}

static void shape(const char *card, unsigned int rate, size_t frame_bytes)
{
	struct setup setup = plain_setup(SND_PCM_STREAM_PLAYBACK);
	struct pair pair = {0};
	char name[64];

	snprintf(name, sizeof(name), "%s", card);
	setup.period = rate / 100;
	setup.buffer = rate / 5;
	control("x", "remove 2>/dev/null");
	pair.play = open_pcm(name, setup);
	setup.stream = SND_PCM_STREAM_CAPTURE;
	pair.capture = open_pcm(name, setup);
	fill_pattern((int16_t *)played, rate / 5 * frame_bytes / 2, 7);
	write_all(pair.play, played, rate / 5);
	start_pair(&pair);
	if (pair.lead > 0)
		read_all(pair.capture, heard, (snd_pcm_uframes_t)pair.lead);
	read_all(pair.capture, heard, rate / 10);
	check(memcmp(heard, played, rate / 10 * frame_bytes) == 0, "%s", card);
	close_pair(pair);
}

static void shapes(void)
{
	shape("CARD=x,RATE=44100,CHANNELS=1", 44100, 2);
	shape("CARD=x,FORMAT=S32_LE", 48000, 8);
	shape("CARD=x,FORMAT=S24_3LE", 48000, 6);
	shape("CARD=x,FORMAT=S24_LE", 48000, 8);
	shape("CARD=x,FORMAT=FLOAT_LE", 48000, 8);
	shape("CARD=x,RATE=32000,FORMAT=S32_LE", 32000, 8);
	shape("CARD=x,RATE=96000,CHANNELS=1,FORMAT=S24_3LE", 96000, 3);
	shape("CARD=x,RATE=8000,CHANNELS=8", 8000, 16);
}

/* Over and over: the ring wraps, streams follow streams, silence is silence. */
static void many_streams(void)
{
	struct pair pair = open_pair(BUFFER);

	for (int round = 0; round < 30; round++) {
		fill_pattern((int16_t *)played, PERIOD * 10, round);
		check_result(snd_pcm_drop(pair.capture), 0);
		check_result(snd_pcm_prepare(pair.capture), 0);
		check_result(snd_pcm_prepare(pair.play), 0);
		write_all(pair.play, played, PERIOD * 5);
		start_pair(&pair);
		check_result(snd_pcm_drain(pair.play), 0);
		if (pair.lead > 0) {
			read_all(pair.capture, heard, (snd_pcm_uframes_t)pair.lead);
			check_silent(heard, (size_t)pair.lead * 4);
		}
		read_all(pair.capture, heard, PERIOD * 6);
		check(memcmp(heard, played, PERIOD * 5 * 4) == 0, "round %d", round);
		check_silent(heard + PERIOD * 5 * 4, PERIOD * 4);
	}
	close_pair(pair);
}

const struct test_case sound_cases[] = {
	{"exact-loop", exact_loop},
	{"no-sooner", no_sooner},
	{"drop-cuts", drop_cuts},
	{"drain-plays-out", drain_plays_out},
	{"late-is-lost", late_is_lost},
	{"mapped", mapped},
	{"shapes", shapes},
	{"many-streams", many_streams},
	{NULL, NULL},
};
