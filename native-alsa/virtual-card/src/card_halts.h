/*
 * The halts of one side, and the way between card positions and that side's positions. All numbers
 * are whole frames, so a side that stood still is late by whole frames: nothing is rounded.
 */
#ifndef CARD_HALTS_H
#define CARD_HALTS_H

#include <stdbool.h>

#include "card_layout.h"

/* A run of positions that map alike. */
struct halts_span {
	int64_t position; /* the mapped position of the first */
	int64_t frames;   /* how many follow in step; CARD_NEVER: as far as is known, all */
	bool halted;      /* the side stands still for all of them */
};

/* Where the side is at a card position. */
struct halts_span halts_side_at(const struct card_halts *halts, int64_t card_position);

/* Which card position a side position has. A position in the future: as if no halt followed. */
struct halts_span halts_card_at(const struct card_halts *halts, int64_t side_position);

/* Stops or starts the side at a card position, as its reasons say. One writer at a time. */
void halts_apply(struct card_halts *halts, int64_t card_position);

bool halts_lasting(const struct card_halts *halts);

#endif
