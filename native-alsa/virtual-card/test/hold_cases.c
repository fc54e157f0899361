/* A card that takes samples long before they sound: what it tells of that, and what is heard. */
#include <limits.h>

#include "harness.h"

#define PERIOD (RATE / 100)
#define BUFFER (RATE / 2)
#define HELD (3 * PERIOD)

static int16_t played[BUFFER * 2];
static int16_t heard[RATE * 2];

/* A capture that hears all of a playback whose buffer is full. */
static snd_pcm_t *start_both(snd_pcm_t *play)
{
	struct setup setup = plain_setup(SND_PCM_STREAM_CAPTURE);
	snd_pcm_t *capture;

	setup.buffer = RATE;
	capture = open_pcm("x", setup);
	fill_pattern(played, BUFFER * 2, 1);
	write_all(play, played, BUFFER);
	check_result(snd_pcm_start(capture), 0);
	check_result(snd_pcm_start(play), 0);
	return capture;
}

static int64_t start_of(snd_pcm_stream_t side)
{
	return card_number("x", side, "start");
}

/* Reads up to the first sample of the playback: silence. */
static void read_lead(snd_pcm_t *capture)
{
	int64_t lead = start_of(SND_PCM_STREAM_PLAYBACK) - start_of(SND_PCM_STREAM_CAPTURE);

	check(lead >= HELD, "it was heard %ld frames after the start", (long)lead);
	read_all(capture, heard, (snd_pcm_uframes_t)lead);
	for (int64_t i = 0; i < lead * 2; i++)
		check(heard[i] == 0, "frame %ld of the silence", (long)i / 2);
}

/* Frames that delay tells beyond what the buffer has. */
static snd_pcm_sframes_t told_beyond(snd_pcm_t *play)
{
	snd_pcm_sframes_t before, after, delay;

	do {
		before = snd_pcm_avail_update(play);
		check_result(snd_pcm_delay(play, &delay), 0);
		after = snd_pcm_avail_update(play);
	} while (before != after);
	return delay - (BUFFER - after);
}

static void hold(void)
{
	snd_pcm_t *play = open_pcm("x", plain_setup(SND_PCM_STREAM_PLAYBACK));
	snd_pcm_sframes_t delay;
	snd_pcm_t *capture;
	int64_t taken;

	check_result(control("x", "hold 3"), 0);
	capture = start_both(play);
	check_result(told_beyond(play), HELD);
	taken = snd_pcm_avail_update(play) + start_of(SND_PCM_STREAM_PLAYBACK) -
		card_number("x", SND_PCM_STREAM_PLAYBACK, "position");
	check(taken <= HELD, "%ld frames were taken before they sounded", (long)taken);
	read_lead(capture);
	read_all(capture, heard, BUFFER - HELD);
	check(memcmp(heard, played, (BUFFER - HELD) * 4) == 0, "what was played");
	/* The buffer runs empty while they still sound. */
	check_result(snd_pcm_wait(play, 10000), -EPIPE);
	check_result(snd_pcm_prepare(play), 0);
	write_all(play, played, PERIOD);
	check_result(snd_pcm_delay(play, &delay), 0);
	check_result(delay, PERIOD);
	snd_pcm_close(play);
	snd_pcm_close(capture);
}

static void hold_no_more_than_buffer(void)
{
	snd_pcm_t *play = open_pcm("x", plain_setup(SND_PCM_STREAM_PLAYBACK));
	snd_pcm_t *capture;

	check_result(control("x", "hold 1024"), 0);
	capture = start_both(play);
	check_result(told_beyond(play), BUFFER);
	check_result(control("x", "hold 0"), 0);
	check_result(told_beyond(play), BUFFER);
	check_result(snd_pcm_drop(play), 0);
	check_result(snd_pcm_prepare(play), 0);
	write_all(play, played, BUFFER);
	check_result(snd_pcm_start(play), 0);
	check_result(told_beyond(play), 0);
	snd_pcm_close(play);
	snd_pcm_close(capture);
}

static void hold_after_drain(void)
{
	snd_pcm_t *play = open_pcm("x", plain_setup(SND_PCM_STREAM_PLAYBACK));
	snd_pcm_t *capture;
	int64_t left;

	check_result(control("x", "hold 3"), 0);
	capture = start_both(play);
	check_result(snd_pcm_drain(play), 0);
	left = start_of(SND_PCM_STREAM_PLAYBACK) + BUFFER -
	       card_number("x", SND_PCM_STREAM_PLAYBACK, "position");
	check(left > 0, "the drain came back %ld frames after the last had sounded", (long)-left);
	read_lead(capture);
	read_all(capture, heard, BUFFER);
	check(memcmp(heard, played, BUFFER * 4) == 0, "what was played");
	snd_pcm_close(play);
	snd_pcm_close(capture);
}

static void hold_drop(void)
{
	snd_pcm_t *play = open_pcm("x", plain_setup(SND_PCM_STREAM_PLAYBACK));
	snd_pcm_t *capture;
	int64_t sounded;

	check_result(control("x", "hold 3"), 0);
	capture = start_both(play);
	wait_position("x", SND_PCM_STREAM_PLAYBACK, start_of(SND_PCM_STREAM_PLAYBACK) + PERIOD);
	check_result(snd_pcm_drop(play), 0);
	sounded = card_number("x", SND_PCM_STREAM_PLAYBACK, "position") -
		  start_of(SND_PCM_STREAM_PLAYBACK);
	read_lead(capture);
	read_all(capture, heard, (snd_pcm_uframes_t)sounded + HELD);
	check(memcmp(heard, played, PERIOD * 4) == 0, "before the drop");
	for (int64_t i = sounded * 2; i < (sounded + HELD) * 2; i++)
		check(heard[i] == 0, "frame %ld after the drop", (long)(i / 2 - sounded));
	snd_pcm_close(play);
	snd_pcm_close(capture);
}

/* What comes after it was to be taken is lost, also where it was to sound only later. */
static void hold_late_is_lost(void)
{
	struct setup setup = plain_setup(SND_PCM_STREAM_PLAYBACK);
	snd_pcm_t *capture = open_pcm("x", plain_setup(SND_PCM_STREAM_CAPTURE));
	snd_pcm_t *play;

	setup.stop_threshold = ULONG_MAX;
	play = open_pcm("x", setup);
	check_result(control("x", "hold 20"), 0);
	fill_pattern(played, PERIOD * 4, 1);
	write_all(play, played, PERIOD);
	check_result(snd_pcm_start(capture), 0);
	check_result(snd_pcm_start(play), 0);
	while (snd_pcm_avail_update(play) < BUFFER + PERIOD)
		sleep_ms(1);
	write_all(play, played + PERIOD * 2, PERIOD);
	read_lead(capture);
	read_all(capture, heard, PERIOD * 2);
	check(memcmp(heard, played, PERIOD * 4) == 0, "what came in time");
	for (int i = PERIOD * 2; i < PERIOD * 4; i++)
		check(heard[i] == 0, "frame %d of what came late", i / 2);
	snd_pcm_close(play);
	snd_pcm_close(capture);
}

const struct test_case hold_cases[] = {
	{"hold", hold},
	{"hold-no-more-than-buffer", hold_no_more_than_buffer},
	{"hold-after-drain", hold_after_drain},
	{"hold-drop", hold_drop},
	{"hold-late-is-lost", hold_late_is_lost},
	{NULL, NULL},
};
