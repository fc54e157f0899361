/*
 * What a card is in memory: one file, mapped by every process that has the card open and by the
 * control command. No lock guards the data: each value that changes is an atomic, each value that
 * belongs together is published by one atomic after it is complete. A process may be killed or
 * stopped between any two instructions and the others go on.
 *
 *   card position   frames since the card was made; it always runs, at rate x (1 + skew), and
 *                   where the card has a pitch control, x (1 + pitch)
 *   side position   the card position less the time the side was halted (host idle, no signal,
 *                   suspended): what a stream's pointer counts
 *
 * The ring of samples behind the header is indexed by the playback side's position.
 */
#ifndef CARD_LAYOUT_H
#define CARD_LAYOUT_H

#include <stdatomic.h>
#include <stdint.h>

#define CARD_MAGIC "KVMCARD"
#define CARD_VERSION 3u
#define CARD_NAME_MAX 32
#define CARD_RATE_MIN 8000u
#define CARD_RATE_MAX 192000u
#define CARD_CHANNELS_MAX 8u
#define CARD_SKEW_MAX_PPM 1000
#define CARD_PITCH_MIN_PPM (-250000)
#define CARD_PITCH_MAX_PPM 250000
#define CARD_PITCH_USUAL_MAX_PPM 5000u
#define CARD_HOLD_MAX_PERIODS 1024u
#define CARD_RING_SECONDS 4u
#define CARD_CLOCK_ENTRIES 16u
#define CARD_HALT_ENTRIES 64u
#define CARD_NEVER INT64_MAX

/* The 64 bit values are shared between processes: an atomic that hides a lock would not do. */
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "64 bit atomics must be lock-free here");

/* Equal to snd_pcm_stream_t, so that a stream's direction is the index of its side. */
enum card_side { CARD_PLAYBACK = 0, CARD_CAPTURE = 1, CARD_SIDES = 2 };

/* Why a side stands still; a side runs when no reason is left. */
enum card_halt_reason {
	CARD_HALT_HOST_IDLE = 1u << 0,
	CARD_HALT_NO_SIGNAL = 1u << 1,
	CARD_HALT_SUSPENDED = 1u << 2,
};

/* Position = anchor position + (now - anchor time) x rate. One entry per change of pace. */
struct card_clock_entry {
	_Atomic int64_t anchor_ns;          /* CLOCK_MONOTONIC */
	_Atomic int64_t anchor_microframes;
	_Atomic int64_t rate_microhz;       /* with skew and pitch in it */
	_Atomic int64_t skew_milli_ppm;
	_Atomic uint32_t rate_hz;           /* without */
	_Atomic int32_t pitch_ppm;
};

struct card_clock {
	_Atomic uint32_t latest;            /* entry[latest % CARD_CLOCK_ENTRIES] is the pace now */
	uint32_t unused;
	struct card_clock_entry entry[CARD_CLOCK_ENTRIES];
};

/* A stretch of card positions in which a side stood still. */
struct card_halt {
	_Atomic int64_t from;
	_Atomic int64_t until;              /* CARD_NEVER while it lasts */
	_Atomic int64_t before;             /* frames that all earlier halts took */
};

struct card_halts {
	_Atomic uint32_t reasons;           /* enum card_halt_reason */
	_Atomic uint32_t count;             /* the latest is entry (count - 1), modulo */
	struct card_halt entry[CARD_HALT_ENTRIES];
};

/* Written by the one playing stream (it holds the playback lock); `cut` also by the command. */
struct card_cable {
	_Atomic int64_t start;              /* playback position when the stream was started */
	_Atomic int64_t end;                /* from here on nothing was written: zeros */
	_Atomic int64_t cut;                /* a fault ended the earlier streams there */
};

/* What a side's stream tells the status command. Believed only while its lock is held. */
struct card_report {
	_Atomic uint32_t pid;
	_Atomic uint32_t state;             /* snd_pcm_state_t */
	_Atomic int64_t start;              /* side position of the stream's first sample */
	_Atomic int64_t appl_frames;
	_Atomic uint32_t rate_hz;           /* what the stream was set up for */
	_Atomic uint32_t period_frames;
	_Atomic uint32_t buffer_frames;
	_Atomic uint32_t xruns;             /* since the card was made */
	_Atomic uint32_t xrun_requests;     /* forced ones; a running stream obeys each once */
	uint32_t unused;
};

struct card_header {
	char magic[8];
	uint32_t version;
	uint32_t header_bytes;              /* the ring begins here */
	uint32_t ring_frames;               /* a power of two */
	uint32_t frame_bytes;
	uint32_t channels;
	uint32_t format;                    /* snd_pcm_format_t */
	char boot_id[40];                   /* CLOCK_MONOTONIC means nothing after a reboot */

	struct card_clock clock;
	struct card_halts halts[CARD_SIDES];
	struct card_cable cable;
	struct card_report report[CARD_SIDES];

	_Atomic uint32_t plug;              /* even: plugged; +1 by each unplug and each replug */
	_Atomic int32_t gone_errno;         /* what handles of an unplugged card answer */
	_Atomic uint32_t hang;              /* 1: every call on the card waits */
	_Atomic uint32_t halted_eio_ms;     /* a blocked call on a halted side: EIO */
	_Atomic uint32_t offered_rate_hz;   /* to new handles; the clock may have another */
	_Atomic uint32_t pitch_max_ppm;     /* of the pitch control; 0: the card has none */
	_Atomic uint32_t hold_periods;      /* a playback takes samples so long before they sound */
};

#endif
