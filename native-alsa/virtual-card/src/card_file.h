/* A card's file: where it is, how it is made, mapped, locked, watched and removed. */
#ifndef CARD_FILE_H
#define CARD_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "card_layout.h"

/* What "hardware" a card is when it is made. An existing card is what it is. */
struct card_shape {
	uint32_t rate_hz;
	uint32_t channels;
	uint32_t format;       /* snd_pcm_format_t */
	uint32_t sample_bytes;
};

struct card {
	int fd;
	char path[256];
	struct card_header *header;
	uint8_t *ring;
	size_t mapped_bytes;
};

bool card_name_is_valid(const char *name);

/* Whether a card can be made with it (snd_pcm_format_t). */
bool card_format_is_known(uint32_t format);

/* Opens a card and maps it; makes it where `shape` is given and it is missing. 0 or -errno. */
int card_open(struct card *card, const char *name, const struct card_shape *shape);
void card_close(struct card *card);

/*
 * Locks of the open file description: the kernel frees them when the holder is gone, however it
 * went. -EBUSY where another description holds it. A side's lock is a new one after each replug:
 * a dead handle that nobody has closed yet does not keep the new card busy.
 */
int card_lock_side(const struct card *card, enum card_side side, uint32_t plug);
bool card_side_is_held(const struct card *card, enum card_side side, uint32_t plug);

/* The lock of who changes something about the card: waited for so long, then -EBUSY. */
int card_lock_command(const struct card *card, int wait_ms);
void card_unlock_command(const struct card *card);

/* All of the above at once: nobody has the card open. */
int card_lock_whole(const struct card *card);

/* Wakes everybody who watches the file (inotify IN_ATTRIB on it or on its folder). */
void card_wake(const struct card *card);

/* Waits while the card is told to hang: stands for a kernel call that never returns. */
void card_hang_point(const struct card *card);

/* Removes the file; the caller holds the whole lock. */
int card_remove(struct card *card);

#endif
