#include "card_cable.h"

#include <string.h>

#include "card_clock.h"
#include "card_halts.h"

/* After this many tries the samples are late by what a stalled process could not help. */
#define BEGIN_TRIES 8

int64_t card_side_position(const struct card *card, enum card_side side, int64_t now_ns)
{
	int64_t position = card_clock_position(&card->header->clock, now_ns);

	return halts_side_at(&card->header->halts[side], position).position;
}

static int64_t min64(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* Copies into the ring, or out of it, around its end. */
static void ring_copy(const struct card *card, int64_t position, const uint8_t *from, uint8_t *to,
		      uint32_t frames)
{
	const struct card_header *header = card->header;
	size_t frame_bytes = header->frame_bytes;

	while (frames > 0) {
		uint32_t at = (uint32_t)position & (header->ring_frames - 1);
		uint32_t run = (uint32_t)min64(header->ring_frames - at, frames);
		uint8_t *ring = card->ring + at * frame_bytes;

		if (to)
			memcpy(to, ring, run * frame_bytes);
		else if (from)
			memcpy(ring, from, run * frame_bytes);
		else
			memset(ring, 0, run * frame_bytes);
		to = to ? to + run * frame_bytes : NULL;
		from = from ? from + run * frame_bytes : NULL;
		position += run;
		frames -= run;
	}
}

static void ring_silence(const struct card *card, int64_t from, int64_t to)
{
	int64_t oldest = to - card->header->ring_frames / 2;

	if (from < oldest)
		from = oldest;
	if (from < to)
		ring_copy(card, from, NULL, NULL, (uint32_t)(to - from));
}

/* Where silence begins: a fault cuts only the streams that were there before it. */
static int64_t sounding_end(const struct card *card)
{
	const struct card_cable *cable = &card->header->cable;
	int64_t end = atomic_load_explicit(&cable->end, memory_order_acquire);
	int64_t start = atomic_load_explicit(&cable->start, memory_order_acquire);
	int64_t cut = atomic_load_explicit(&cable->cut, memory_order_acquire);

	return start < cut ? min64(end, cut) : end;
}

int64_t cable_begin(struct card *card, const uint8_t *samples, uint32_t frames, int64_t held)
{
	struct card_cable *cable = &card->header->cable;
	int64_t start = card_side_position(card, CARD_PLAYBACK, monotonic_ns());
	/* An earlier stream that was killed may have samples ahead: they end here. */
	int64_t silent_from = min64(sounding_end(card), start);

	atomic_store_explicit(&cable->end, silent_from, memory_order_release);
	for (int tries = 1;; tries++) {
		int64_t now;

		ring_silence(card, silent_from, start + held);
		ring_copy(card, start + held, samples, NULL, frames);
		now = card_side_position(card, CARD_PLAYBACK, monotonic_ns());
		if (now == start || tries == BEGIN_TRIES)
			break;
		start = now;
	}
	atomic_store_explicit(&cable->start, start, memory_order_release);
	atomic_store_explicit(&cable->end, start + held + frames, memory_order_release);
	return start + held;
}

void cable_write(struct card *card, int64_t position, const uint8_t *samples, uint32_t frames,
		 int64_t held)
{
	struct card_cable *cable = &card->header->cable;
	int64_t now = card_side_position(card, CARD_PLAYBACK, monotonic_ns());
	int64_t end = atomic_load_explicit(&cable->end, memory_order_relaxed);
	int64_t late = now + held - position;

	if (late >= frames)
		return;
	if (late > 0) {
		samples += (size_t)late * card->header->frame_bytes;
		position += late;
		frames -= (uint32_t)late;
	}
	ring_silence(card, end, position);
	ring_copy(card, position, samples, NULL, frames);
	if (position + frames > end)
		atomic_store_explicit(&cable->end, position + frames, memory_order_release);
}

void cable_cut_now(struct card *card)
{
	struct card_cable *cable = &card->header->cable;
	int64_t now = card_side_position(card, CARD_PLAYBACK, monotonic_ns());

	if (now < atomic_load_explicit(&cable->end, memory_order_relaxed))
		atomic_store_explicit(&cable->end, now, memory_order_release);
}

/* Reads a stretch of playback positions: samples up to the end, zeros from there. */
static void read_played(const struct card *card, int64_t position, uint8_t *samples,
			uint32_t frames)
{
	int64_t sounding = sounding_end(card) - position;
	uint32_t heard = 0;

	if (sounding > 0)
		heard = (uint32_t)min64(sounding, frames);
	ring_copy(card, position, NULL, samples, heard);
	memset(samples + (size_t)heard * card->header->frame_bytes, 0,
	       (size_t)(frames - heard) * card->header->frame_bytes);
}

void cable_read(const struct card *card, int64_t capture_position, uint8_t *samples,
		uint32_t frames)
{
	const struct card_header *header = card->header;

	while (frames > 0) {
		struct halts_span heard =
			halts_card_at(&header->halts[CARD_CAPTURE], capture_position);
		struct halts_span played =
			halts_side_at(&header->halts[CARD_PLAYBACK], heard.position);
		uint32_t run = (uint32_t)min64(frames, min64(heard.frames, played.frames));

		if (played.halted)
			memset(samples, 0, (size_t)run * header->frame_bytes);
		else
			read_played(card, played.position, samples, run);
		samples += (size_t)run * header->frame_bytes;
		capture_position += run;
		frames -= run;
	}
}
