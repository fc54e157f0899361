#include "card_clock.h"

#include <time.h>

#define MICRO 1000000LL

struct pace {
	int64_t anchor_ns;
	int64_t anchor_microframes;
	int64_t rate_microhz;
};

int64_t monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * NS_PER_SECOND + now.tv_nsec;
}

static const struct card_clock_entry *latest_entry(const struct card_clock *clock)
{
	uint32_t latest = atomic_load_explicit(&clock->latest, memory_order_acquire);

	return &clock->entry[latest % CARD_CLOCK_ENTRIES];
}

static struct pace read_pace(const struct card_clock *clock)
{
	const struct card_clock_entry *entry = latest_entry(clock);

	return (struct pace){
		.anchor_ns = atomic_load_explicit(&entry->anchor_ns, memory_order_relaxed),
		.anchor_microframes =
			atomic_load_explicit(&entry->anchor_microframes, memory_order_relaxed),
		.rate_microhz = atomic_load_explicit(&entry->rate_microhz, memory_order_relaxed),
	};
}

/* In integers, in three parts: neither 128 bit arithmetic nor a double's rounding is needed. */
static int64_t microframes_at(struct pace pace, int64_t now_ns)
{
	int64_t passed_ns = now_ns > pace.anchor_ns ? now_ns - pace.anchor_ns : 0;
	int64_t seconds = passed_ns / NS_PER_SECOND;
	int64_t nanos = passed_ns % NS_PER_SECOND;
	int64_t whole_hz = pace.rate_microhz / MICRO;
	int64_t rest_microhz = pace.rate_microhz % MICRO;

	return pace.anchor_microframes + seconds * pace.rate_microhz +
	       (nanos * whole_hz * 1000 + nanos * rest_microhz / 1000) / MICRO;
}

int64_t card_clock_position(const struct card_clock *clock, int64_t now_ns)
{
	return microframes_at(read_pace(clock), now_ns) / MICRO;
}

int64_t card_clock_time_at(const struct card_clock *clock, int64_t position)
{
	struct pace pace = read_pace(clock);
	int64_t ahead = position * MICRO - pace.anchor_microframes;
	int64_t when_ns;

	if (ahead <= 0)
		return pace.anchor_ns;
	when_ns = pace.anchor_ns + ahead / pace.rate_microhz * NS_PER_SECOND +
		  (int64_t)((double)(ahead % pace.rate_microhz) / (double)pace.rate_microhz * 1e9);
	while (microframes_at(pace, when_ns) < position * MICRO)
		when_ns++;
	return when_ns;
}

static void publish(struct card_clock *clock, uint32_t index, struct pace pace, uint32_t rate_hz,
		    int64_t skew_milli_ppm)
{
	struct card_clock_entry *entry = &clock->entry[index % CARD_CLOCK_ENTRIES];

	atomic_store_explicit(&entry->anchor_ns, pace.anchor_ns, memory_order_relaxed);
	atomic_store_explicit(&entry->anchor_microframes, pace.anchor_microframes,
			      memory_order_relaxed);
	atomic_store_explicit(&entry->rate_microhz, pace.rate_microhz, memory_order_relaxed);
	atomic_store_explicit(&entry->skew_milli_ppm, skew_milli_ppm, memory_order_relaxed);
	atomic_store_explicit(&entry->rate_hz, rate_hz, memory_order_relaxed);
	atomic_store_explicit(&clock->latest, index, memory_order_release);
}

/* Hz x (1 + milli-ppm / 10^9), in microhertz; the product stays far below 2^63. */
static int64_t skewed_microhz(uint32_t rate_hz, int64_t skew_milli_ppm)
{
	return (int64_t)rate_hz * MICRO + (int64_t)rate_hz * skew_milli_ppm / 1000;
}

void card_clock_init(struct card_clock *clock, uint32_t rate_hz, int64_t now_ns)
{
	struct pace pace = {now_ns, 0, skewed_microhz(rate_hz, 0)};

	publish(clock, 0, pace, rate_hz, 0);
}

void card_clock_set(struct card_clock *clock, uint32_t rate_hz, int64_t skew_milli_ppm,
		    int64_t now_ns)
{
	struct pace pace = {
		.anchor_ns = now_ns,
		.anchor_microframes = microframes_at(read_pace(clock), now_ns),
		.rate_microhz = skewed_microhz(rate_hz, skew_milli_ppm),
	};

	publish(clock, atomic_load(&clock->latest) + 1, pace, rate_hz, skew_milli_ppm);
}

uint32_t card_clock_rate_hz(const struct card_clock *clock)
{
	return atomic_load_explicit(&latest_entry(clock)->rate_hz, memory_order_relaxed);
}

int64_t card_clock_skew_milli_ppm(const struct card_clock *clock)
{
	return atomic_load_explicit(&latest_entry(clock)->skew_milli_ppm, memory_order_relaxed);
}

double card_clock_true_rate(const struct card_clock *clock)
{
	return (double)read_pace(clock).rate_microhz / 1e6;
}
