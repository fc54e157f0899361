/* The pitch control of a card that was given one. */
#include <math.h>

#include "harness.h"

#define NOMINAL 1000000

static snd_ctl_t *open_controls(void)
{
	snd_ctl_t *ctl = NULL;

	check_result(snd_ctl_open(&ctl, "kvm_card:x", SND_CTL_NONBLOCK), 0);
	return ctl;
}

static void name_pitch(snd_ctl_elem_value_t *value)
{
	snd_ctl_elem_value_set_interface(value, SND_CTL_ELEM_IFACE_PCM);
	snd_ctl_elem_value_set_name(value, "Playback Pitch 1000000");
}

/* 1: changed, 0: it was so, or an error. */
static int set_pitch(snd_ctl_t *ctl, long pitch)
{
	snd_ctl_elem_value_t *value;

	snd_ctl_elem_value_alloca(&value);
	name_pitch(value);
	snd_ctl_elem_value_set_integer(value, 0, pitch);
	return snd_ctl_elem_write(ctl, value);
}

static int get_pitch(snd_ctl_t *ctl, long *pitch)
{
	snd_ctl_elem_value_t *value;
	int err;

	snd_ctl_elem_value_alloca(&value);
	name_pitch(value);
	err = snd_ctl_elem_read(ctl, value);
	*pitch = snd_ctl_elem_value_get_integer(value, 0);
	return err;
}

static void check_pitch(snd_ctl_t *ctl, long wanted)
{
	long pitch;

	check_result(get_pitch(ctl, &pitch), 0);
	check(pitch == wanted, "%ld", pitch);
}

static double measured_ppm(snd_pcm_t *pcm)
{
	return (measured_rate(pcm) / RATE - 1) * 1e6;
}

static void pitch(void)
{
	snd_pcm_t *pcm = open_endless();
	snd_pcm_sframes_t before, after;
	snd_ctl_t *ctl;
	int64_t began;
	double ppm;

	check_result(control("x", "pitch on"), 0);
	check_result(control("x", "skew -1000"), 0);
	ctl = open_controls();
	check_pitch(ctl, NOMINAL);
	ppm = measured_ppm(pcm);
	check(fabs(ppm + 1000) < 100, "%.0f ppm", ppm);
	began = now_ns();
	before = snd_pcm_avail_update(pcm);
	check_result(set_pitch(ctl, NOMINAL + 4000), 1);
	after = snd_pcm_avail_update(pcm);
	check(after >= before && after - before <= (now_ns() - began) / 1000000 * 49 + 100,
	      "the position jumped by %ld", (long)(after - before));
	check_result(set_pitch(ctl, NOMINAL + 4000), 0);
	ppm = measured_ppm(pcm);
	check(fabs(ppm - 3000) < 100, "%.0f ppm", ppm);
	check_result(control("x", "skew 0"), 0);
	check_pitch(ctl, NOMINAL + 4000);
	check_result(set_pitch(ctl, NOMINAL), 1);
	ppm = measured_ppm(pcm);
	check(fabs(ppm) < 100, "%.0f ppm", ppm);
	snd_ctl_close(ctl);
	snd_pcm_close(pcm);
}

static void check_bounds(snd_ctl_t *ctl, long low, long high)
{
	snd_ctl_elem_info_t *info;

	snd_ctl_elem_info_alloca(&info);
	snd_ctl_elem_info_set_interface(info, SND_CTL_ELEM_IFACE_PCM);
	snd_ctl_elem_info_set_name(info, "Playback Pitch 1000000");
	check_result(snd_ctl_elem_info(ctl, info), 0);
	check(snd_ctl_elem_info_get_type(info) == SND_CTL_ELEM_TYPE_INTEGER, "an integer");
	check_result(snd_ctl_elem_info_get_min(info), low);
	check_result(snd_ctl_elem_info_get_max(info), high);
}

static void pitch_bounds(void)
{
	snd_ctl_t *ctl;

	check_result(control("x", "pitch on"), 0);
	ctl = open_controls();
	check_bounds(ctl, NOMINAL - 250000, NOMINAL + 5000);
	check_result(set_pitch(ctl, 0), 1);
	check_pitch(ctl, NOMINAL - 250000);
	check_result(control("x", "pitch on --max 200"), 0);
	check_bounds(ctl, NOMINAL - 250000, NOMINAL + 200);
	check_pitch(ctl, NOMINAL);
	check_result(set_pitch(ctl, NOMINAL + 201), 1);
	check_pitch(ctl, NOMINAL + 200);
	snd_ctl_close(ctl);
}

static void check_count(snd_ctl_t *ctl, unsigned int count)
{
	snd_ctl_elem_list_t *list;

	snd_ctl_elem_list_alloca(&list);
	check_result(snd_ctl_elem_list(ctl, list), 0);
	check_result(snd_ctl_elem_list_get_count(list), count);
}

static void pitch_absent(void)
{
	snd_ctl_t *ctl = NULL;
	long value;

	check_result(snd_ctl_open(&ctl, "kvm_card:x", 0), -ENOENT);
	check_result(control("x", "create"), 0);
	ctl = open_controls();
	check_count(ctl, 0);
	check_result(get_pitch(ctl, &value), -ENOENT);
	check_result(control("x", "pitch on"), 0);
	check_count(ctl, 1);
	check_result(set_pitch(ctl, NOMINAL + 5), 1);
	check_result(control("x", "pitch off"), 0);
	check_count(ctl, 0);
	check_result(set_pitch(ctl, NOMINAL + 6), -ENOENT);
	check_result(control("x", "pitch on"), 0);
	check_pitch(ctl, NOMINAL);
	snd_ctl_close(ctl);
}

static void pitch_unplug(void)
{
	snd_ctl_t *dead;
	snd_ctl_t *ctl;
	long value;

	check_result(control("x", "pitch on"), 0);
	dead = open_controls();
	check_result(control("x", "unplug"), 0);
	check_result(snd_ctl_open(&ctl, "kvm_card:x", 0), -ENOENT);
	check_result(control("x", "replug"), 0);
	check_result(get_pitch(dead, &value), -ENODEV);
	check_result(set_pitch(dead, NOMINAL + 5), -ENODEV);
	snd_ctl_close(dead);
	ctl = open_controls();
	check_pitch(ctl, NOMINAL);
	snd_ctl_close(ctl);
}

static void pitch_hang(void)
{
	pthread_t thread;
	snd_ctl_t *ctl;
	int64_t began;

	check_result(control("x", "pitch on"), 0);
	ctl = open_controls();
	check_result(control("x", "hang on"), 0);
	began = now_ns();
	thread = control_later("hang off");
	check_result(set_pitch(ctl, NOMINAL + 5), 1);
	check(now_ns() - began > 90000000, "it came back before it was let go");
	pthread_join(thread, NULL);
	snd_ctl_close(ctl);
}

const struct test_case pitch_cases[] = {
	{"pitch", pitch},
	{"pitch-bounds", pitch_bounds},
	{"pitch-absent", pitch_absent},
	{"pitch-unplug", pitch_unplug},
	{"pitch-hang", pitch_hang},
	{NULL, NULL},
};
