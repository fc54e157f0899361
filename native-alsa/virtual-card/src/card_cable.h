/*
 * The cable from the playback side to the capture side: samples in a ring, kept by playback
 * position. Everything before `end` that is at most half a ring old is in the ring, samples or
 * zeros; everything from `end` on reads as zeros. One writer: who holds the playback lock.
 */
#ifndef CARD_CABLE_H
#define CARD_CABLE_H

#include "card_file.h"

/* The side's position at a moment. */
int64_t card_side_position(const struct card *card, enum card_side side, int64_t now_ns);

/*
 * Begins a stream that has `frames` samples waiting: they sound from `held` frames behind the
 * position that this call takes. Gives back where that is.
 */
int64_t cable_begin(struct card *card, const uint8_t *samples, uint32_t frames, int64_t held);

/*
 * Puts samples at a position. What was to be taken before now, `held` frames before it sounds, is
 * lost, as on a card whose position has passed; what was skipped is silence.
 */
void cable_write(struct card *card, int64_t position, const uint8_t *samples, uint32_t frames,
		 int64_t held);

/* Takes back what has not sounded yet. */
void cable_cut_now(struct card *card);

/* Reads what sounded while the capture side was at these positions. */
void cable_read(const struct card *card, int64_t capture_position, uint8_t *samples,
		uint32_t frames);

#endif
