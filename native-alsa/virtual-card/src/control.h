/* The control command's parts. Each gives the exit code: 0 done, 1 refused. */
#ifndef CONTROL_H
#define CONTROL_H

#include "card_cable.h"

#define EXIT_REFUSED 1
#define EXIT_USAGE 2

/* One line on stderr. */
int refuse(const char *format, ...) __attribute__((format(printf, 1, 2)));

int control_status(const struct card *card, const char *name, bool json);

/* The card is there by now; it may have been there before, in another shape. */
int control_create(const struct card *card, const char *name, const struct card_shape *shape);
int control_skew(struct card *card, int64_t milli_ppm);
int control_rate(struct card *card, uint32_t rate_hz, bool offered);
/* Gives the card a pitch control at nominal, or takes it away where max_ppm is 0. */
int control_pitch(struct card *card, uint32_t max_ppm);
int control_hold(struct card *card, uint32_t periods);
int control_xrun(struct card *card, bool playback, bool capture);
int control_unplug(struct card *card, int gone_errno);
int control_replug(struct card *card);
int control_halt(struct card *card, uint32_t reason, bool on, uint32_t eio_ms);
int control_hang(struct card *card, bool on);
int control_remove(struct card *card);

#endif
