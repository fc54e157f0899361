#include <alsa/asoundlib.h>

#include "card_clock.h"
#include "card_halts.h"
#include "control.h"

#define EIO_AFTER_MS 10000u

/* A fault stops the hardware: what was written ahead never sounds. */
static void cut_playback(struct card *card)
{
	int64_t now = card_side_position(card, CARD_PLAYBACK, monotonic_ns());

	atomic_store_explicit(&card->header->cable.cut, now, memory_order_release);
}

static bool is_plugged(const struct card *card)
{
	return atomic_load(&card->header->plug) % 2 == 0;
}

static bool is_running(const struct card *card, enum card_side side)
{
	const struct card_header *header = card->header;
	uint32_t state = atomic_load(&header->report[side].state);

	return card_side_is_held(card, side, atomic_load(&header->plug)) &&
	       (state == SND_PCM_STATE_RUNNING || state == SND_PCM_STATE_DRAINING);
}

int control_create(const struct card *card, const char *name, const struct card_shape *shape)
{
	const struct card_header *header = card->header;
	uint32_t rate_hz = atomic_load(&header->offered_rate_hz);
	char rate[40] = "";
	char channels[40] = "";
	char format[60] = "";

	if (rate_hz != shape->rate_hz)
		snprintf(rate, sizeof(rate), "rate %u, not %u; ", rate_hz, shape->rate_hz);
	if (header->channels != shape->channels)
		snprintf(channels, sizeof(channels), "channels %u, not %u; ", header->channels,
			 shape->channels);
	if (header->format != shape->format)
		snprintf(format, sizeof(format), "format %s, not %s; ",
			 snd_pcm_format_name((snd_pcm_format_t)header->format),
			 snd_pcm_format_name((snd_pcm_format_t)shape->format));
	if (!rate[0] && !channels[0] && !format[0])
		return 0;
	return refuse("%s is there already in another shape: %s%s%sremove it to make it anew", name,
		      rate, channels, format);
}

int control_skew(struct card *card, int64_t milli_ppm)
{
	struct card_pace pace = card_clock_pace(&card->header->clock);

	pace.skew_milli_ppm = milli_ppm;
	card_clock_set(&card->header->clock, pace, monotonic_ns());
	card_wake(card);
	return 0;
}

int control_rate(struct card *card, uint32_t rate_hz, bool offered)
{
	struct card_pace pace = card_clock_pace(&card->header->clock);

	if (rate_hz > card->header->ring_frames / 2)
		return refuse("this card was made for at most %u Hz: remove it, and make it anew",
			      card->header->ring_frames / 2);
	pace.rate_hz = rate_hz;
	card_clock_set(&card->header->clock, pace, monotonic_ns());
	if (offered)
		atomic_store(&card->header->offered_rate_hz, rate_hz);
	card_wake(card);
	return 0;
}

int control_pitch(struct card *card, uint32_t max_ppm)
{
	struct card_pace pace = card_clock_pace(&card->header->clock);

	pace.pitch_ppm = 0;
	atomic_store(&card->header->pitch_max_ppm, max_ppm);
	card_clock_set(&card->header->clock, pace, monotonic_ns());
	card_wake(card);
	return 0;
}

int control_hold(struct card *card, uint32_t periods)
{
	atomic_store(&card->header->hold_periods, periods);
	card_wake(card);
	return 0;
}

int control_xrun(struct card *card, bool playback, bool capture)
{
	bool wanted[CARD_SIDES] = {playback, capture};
	bool any = false;

	for (int side = 0; side < CARD_SIDES; side++) {
		if (!wanted[side] || !is_running(card, side))
			continue;
		if (side == CARD_PLAYBACK)
			cut_playback(card);
		atomic_fetch_add(&card->header->report[side].xrun_requests, 1);
		any = true;
	}
	if (!any)
		return refuse("no running stream to break");
	card_wake(card);
	return 0;
}

int control_unplug(struct card *card, int gone_errno)
{
	if (!is_plugged(card))
		return refuse("the card is unplugged already");
	cut_playback(card);
	atomic_store(&card->header->gone_errno, gone_errno);
	atomic_fetch_add(&card->header->plug, 1);
	card_wake(card);
	return 0;
}

int control_replug(struct card *card)
{
	if (is_plugged(card))
		return refuse("the card is plugged in already");
	atomic_fetch_add(&card->header->plug, 1);
	card_wake(card);
	return 0;
}

static void set_reason(struct card *card, enum card_side side, uint32_t reason, bool on)
{
	struct card_halts *halts = &card->header->halts[side];

	if (on)
		atomic_fetch_or(&halts->reasons, reason);
	else
		atomic_fetch_and(&halts->reasons, ~reason);
	halts_apply(halts, card_clock_position(&card->header->clock, monotonic_ns()));
}

int control_halt(struct card *card, uint32_t reason, bool on, uint32_t eio_ms)
{
	if (on)
		atomic_store(&card->header->halted_eio_ms, eio_ms ? eio_ms : EIO_AFTER_MS);
	if (reason != CARD_HALT_NO_SIGNAL)
		set_reason(card, CARD_PLAYBACK, reason, on);
	if (reason != CARD_HALT_HOST_IDLE)
		set_reason(card, CARD_CAPTURE, reason, on);
	card_wake(card);
	return 0;
}

int control_hang(struct card *card, bool on)
{
	atomic_store(&card->header->hang, on);
	card_wake(card);
	return 0;
}

int control_remove(struct card *card)
{
	int err;

	if (card_lock_whole(card) < 0)
		return refuse("the card is in use");
	err = card_remove(card);
	return err < 0 ? refuse("cannot remove %s: %s", card->path, strerror(-err)) : 0;
}
