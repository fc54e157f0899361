/* The card's clock: CLOCK_MONOTONIC to frames and back, at a pace that can change meanwhile. */
#ifndef CARD_CLOCK_H
#define CARD_CLOCK_H

#include "card_layout.h"

#define NS_PER_SECOND 1000000000LL

int64_t monotonic_ns(void);

/* Starts a clock at position 0. */
void card_clock_init(struct card_clock *clock, uint32_t rate_hz, int64_t now_ns);

/* Whole frames that have passed at `now_ns`. Never goes back while now_ns does not. */
int64_t card_clock_position(const struct card_clock *clock, int64_t now_ns);

/* The first moment at which card_clock_position gives `position` or more. */
int64_t card_clock_time_at(const struct card_clock *clock, int64_t position);

/* How fast the frames pass: rate x (1 + skew) x (1 + pitch). */
struct card_pace {
	uint32_t rate_hz;
	int64_t skew_milli_ppm;
	int32_t pitch_ppm;
};

/* Changes the pace from `now_ns` on; the position does not jump. One writer at a time. */
void card_clock_set(struct card_clock *clock, struct card_pace pace, int64_t now_ns);

struct card_pace card_clock_pace(const struct card_clock *clock);

uint32_t card_clock_rate_hz(const struct card_clock *clock);

/* Frames per second as they really pass, skew and pitch included. */
double card_clock_true_rate(const struct card_clock *clock);

#endif
