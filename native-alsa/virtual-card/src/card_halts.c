#include "card_halts.h"

static uint32_t halts_count(const struct card_halts *halts)
{
	return atomic_load_explicit(&halts->count, memory_order_acquire);
}

static const struct card_halt *halt_at(const struct card_halts *halts, uint32_t index)
{
	return &halts->entry[index % CARD_HALT_ENTRIES];
}

static int64_t get(const _Atomic int64_t *value)
{
	return atomic_load_explicit(value, memory_order_acquire);
}

static uint32_t oldest_kept(uint32_t count)
{
	return count > CARD_HALT_ENTRIES ? count - CARD_HALT_ENTRIES : 0;
}

struct halts_span halts_side_at(const struct card_halts *halts, int64_t card_position)
{
	uint32_t count = halts_count(halts);
	int64_t next_from = CARD_NEVER;

	for (uint32_t i = count; i-- > oldest_kept(count);) {
		const struct card_halt *halt = halt_at(halts, i);
		int64_t from = get(&halt->from);
		int64_t until = get(&halt->until);
		int64_t before = get(&halt->before);

		if (card_position >= from && card_position < until)
			return (struct halts_span){
				from - before,
				until == CARD_NEVER ? CARD_NEVER : until - card_position, true};
		if (card_position >= from)
			return (struct halts_span){
				card_position - before - (until - from),
				next_from == CARD_NEVER ? CARD_NEVER : next_from - card_position,
				false};
		next_from = from;
	}
	return (struct halts_span){
		card_position, next_from == CARD_NEVER ? CARD_NEVER : next_from - card_position,
		false};
}

struct halts_span halts_card_at(const struct card_halts *halts, int64_t side_position)
{
	uint32_t count = halts_count(halts);
	int64_t next_side = CARD_NEVER;
	int64_t offset = 0;

	for (uint32_t i = count; i-- > oldest_kept(count);) {
		const struct card_halt *halt = halt_at(halts, i);
		int64_t from = get(&halt->from);
		int64_t until = get(&halt->until);
		int64_t before = get(&halt->before);

		if (side_position >= from - before) {
			offset = before + (until == CARD_NEVER ? 0 : until - from);
			break;
		}
		next_side = from - before;
	}
	return (struct halts_span){
		side_position + offset,
		next_side == CARD_NEVER ? CARD_NEVER : next_side - side_position, false};
}

bool halts_lasting(const struct card_halts *halts)
{
	uint32_t count = halts_count(halts);

	return count > 0 && get(&halt_at(halts, count - 1)->until) == CARD_NEVER;
}

void halts_apply(struct card_halts *halts, int64_t card_position)
{
	uint32_t count = halts_count(halts);
	struct card_halt *last = &halts->entry[(count - 1) % CARD_HALT_ENTRIES];
	struct card_halt *next = &halts->entry[count % CARD_HALT_ENTRIES];
	bool wanted = atomic_load(&halts->reasons) != 0;
	int64_t before = 0;

	if (wanted == halts_lasting(halts))
		return;
	if (!wanted) {
		atomic_store_explicit(&last->until, card_position, memory_order_release);
		return;
	}
	if (count > 0)
		before = get(&last->before) + get(&last->until) - get(&last->from);
	atomic_store_explicit(&next->from, card_position, memory_order_relaxed);
	atomic_store_explicit(&next->until, CARD_NEVER, memory_order_relaxed);
	atomic_store_explicit(&next->before, before, memory_order_relaxed);
	atomic_store_explicit(&halts->count, count + 1, memory_order_release);
}
