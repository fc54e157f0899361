#include "card_clock.h"

#include <time.h>

#define MICRO 1000000LL

struct line {
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

static struct line read_line(const struct card_clock *clock)
{
	const struct card_clock_entry *entry = latest_entry(clock);

	return (struct line){
		.anchor_ns = atomic_load_explicit(&entry->anchor_ns, memory_order_relaxed),
		.anchor_microframes =
			atomic_load_explicit(&entry->anchor_microframes, memory_order_relaxed),
		.rate_microhz = atomic_load_explicit(&entry->rate_microhz, memory_order_relaxed),
	};
}

/* In integers, in three parts: neither 128 bit arithmetic nor a double's rounding is needed. */
static int64_t microframes_at(struct line line, int64_t now_ns)
{
	int64_t passed_ns = now_ns > line.anchor_ns ? now_ns - line.anchor_ns : 0;
	int64_t seconds = passed_ns / NS_PER_SECOND;
	int64_t nanos = passed_ns % NS_PER_SECOND;
	int64_t whole_hz = line.rate_microhz / MICRO;
	int64_t rest_microhz = line.rate_microhz % MICRO;

	return line.anchor_microframes + seconds * line.rate_microhz +
	       (nanos * whole_hz * 1000 + nanos * rest_microhz / 1000) / MICRO;
}

int64_t card_clock_position(const struct card_clock *clock, int64_t now_ns)
{
	return microframes_at(read_line(clock), now_ns) / MICRO;
}

int64_t card_clock_time_at(const struct card_clock *clock, int64_t position)
{
	struct line line = read_line(clock);
	int64_t ahead = position * MICRO - line.anchor_microframes;
	int64_t when_ns;

	if (ahead <= 0)
		return line.anchor_ns;
	when_ns = line.anchor_ns + ahead / line.rate_microhz * NS_PER_SECOND +
		  (int64_t)((double)(ahead % line.rate_microhz) / (double)line.rate_microhz * 1e9);
	while (microframes_at(line, when_ns) < position * MICRO)
		when_ns++;
	return when_ns;
}

static void publish(struct card_clock *clock, uint32_t index, struct line line,
		    struct card_pace pace)
{
	struct card_clock_entry *entry = &clock->entry[index % CARD_CLOCK_ENTRIES];

	atomic_store_explicit(&entry->anchor_ns, line.anchor_ns, memory_order_relaxed);
	atomic_store_explicit(&entry->anchor_microframes, line.anchor_microframes,
			      memory_order_relaxed);
	atomic_store_explicit(&entry->rate_microhz, line.rate_microhz, memory_order_relaxed);
	atomic_store_explicit(&entry->skew_milli_ppm, pace.skew_milli_ppm, memory_order_relaxed);
	atomic_store_explicit(&entry->rate_hz, pace.rate_hz, memory_order_relaxed);
	atomic_store_explicit(&entry->pitch_ppm, pace.pitch_ppm, memory_order_relaxed);
	atomic_store_explicit(&clock->latest, index, memory_order_release);
}

/* In microhertz; both products stay below 2^56. */
static int64_t true_microhz(struct card_pace pace)
{
	int64_t skewed = (int64_t)pace.rate_hz * MICRO +
			 (int64_t)pace.rate_hz * pace.skew_milli_ppm / 1000;

	return skewed + skewed * pace.pitch_ppm / MICRO;
}

void card_clock_init(struct card_clock *clock, uint32_t rate_hz, int64_t now_ns)
{
	struct card_pace pace = {.rate_hz = rate_hz};
	struct line line = {now_ns, 0, true_microhz(pace)};

	publish(clock, 0, line, pace);
}

void card_clock_set(struct card_clock *clock, struct card_pace pace, int64_t now_ns)
{
	struct line line = {
		.anchor_ns = now_ns,
		.anchor_microframes = microframes_at(read_line(clock), now_ns),
		.rate_microhz = true_microhz(pace),
	};

	publish(clock, atomic_load(&clock->latest) + 1, line, pace);
}

struct card_pace card_clock_pace(const struct card_clock *clock)
{
	const struct card_clock_entry *entry = latest_entry(clock);

	return (struct card_pace){
		.rate_hz = atomic_load_explicit(&entry->rate_hz, memory_order_relaxed),
		.skew_milli_ppm =
			atomic_load_explicit(&entry->skew_milli_ppm, memory_order_relaxed),
		.pitch_ppm = atomic_load_explicit(&entry->pitch_ppm, memory_order_relaxed),
	};
}

uint32_t card_clock_rate_hz(const struct card_clock *clock)
{
	return atomic_load_explicit(&latest_entry(clock)->rate_hz, memory_order_relaxed);
}

double card_clock_true_rate(const struct card_clock *clock)
{
	return (double)read_line(clock).rate_microhz / 1e6;
}
