#include <alsa/asoundlib.h>
#include <stdio.h>

#include "card_clock.h"
#include "control.h"

static const char *const side_names[CARD_SIDES] = {"playback", "capture"};

/* A side as the card has it, and as the stream that holds it last said. */
struct side_status {
	bool open;
	uint32_t pid;
	const char *state;
	int64_t position;   /* the side's */
	int64_t start;      /* side position of the stream's first frame */
	int64_t appl;       /* side position of the application's next frame */
	uint32_t rate_hz;
	uint32_t period;
	uint32_t buffer;
	uint32_t xruns;
};

static struct side_status look(const struct card *card, enum card_side side, int64_t now_ns)
{
	const struct card_header *header = card->header;
	const struct card_report *report = &header->report[side];
	struct side_status status = {
		.open = card_side_is_held(card, side, atomic_load(&header->plug)),
		.position = card_side_position(card, side, now_ns),
		.xruns = atomic_load(&report->xruns),
		.state = "CLOSED",
		.start = atomic_load(&report->start),
	};

	/* Both stay when it is closed: where the last stream began and how far it got. */
	status.appl = status.start + atomic_load(&report->appl_frames);
	if (!status.open)
		return status;
	status.pid = atomic_load(&report->pid);
	status.state = snd_pcm_state_name((snd_pcm_state_t)atomic_load(&report->state));
	status.rate_hz = atomic_load(&report->rate_hz);
	status.period = atomic_load(&report->period_frames);
	status.buffer = atomic_load(&report->buffer_frames);
	return status;
}

static const char *yes(bool value, bool json)
{
	if (json)
		return value ? "true" : "false";
	return value ? "yes" : "no";
}

static bool has_reason(const struct card *card, enum card_side side, uint32_t reason)
{
	return atomic_load(&card->header->halts[side].reasons) & reason;
}

static void print_side(enum card_side side, const struct side_status *s, bool json)
{
	const char *form =
		json ? "  \"%s\": {\"open\": %s, \"pid\": %u, \"state\": \"%s\", "
		       "\"position\": %lld, \"start\": %lld, \"appl\": %lld, \"rate\": %u, "
		       "\"period\": %u, \"buffer\": %u, \"xruns\": %u}%s\n"
		     : "%s: open %s, pid %u, state %s, position %lld, start %lld, appl %lld, "
		       "rate %u, period %u, buffer %u, xruns %u%s\n";

	printf(form, side_names[side], yes(s->open, json), s->pid, s->state,
	       (long long)s->position, (long long)s->start, (long long)s->appl, s->rate_hz,
	       s->period, s->buffer, s->xruns, json && side == CARD_PLAYBACK ? "," : "");
}

static void print_text(const char *key, const char *value, bool json)
{
	printf(json ? "  \"%s\": \"%s\",\n" : "%s: %s\n", key, value);
}

static void print_number(const char *key, double value, int decimals, bool json)
{
	printf(json ? "  \"%s\": %.*f,\n" : "%s: %.*f\n", key, decimals, value);
}

static void print_flag(const char *key, bool value, bool json)
{
	printf(json ? "  \"%s\": %s,\n" : "%s: %s\n", key, yes(value, json));
}

int control_status(const struct card *card, const char *name, bool json)
{
	const struct card_header *header = card->header;
	struct card_pace pace = card_clock_pace(&header->clock);
	int64_t now_ns = monotonic_ns();
	struct side_status playback = look(card, CARD_PLAYBACK, now_ns);
	struct side_status capture = look(card, CARD_CAPTURE, now_ns);

	if (json)
		printf("{\n");
	print_text("card", name, json);
	print_text("file", card->path, json);
	print_text("format", snd_pcm_format_name((snd_pcm_format_t)header->format), json);
	print_number("channels", header->channels, 0, json);
	print_number("rate", pace.rate_hz, 0, json);
	print_number("offeredRate", atomic_load(&header->offered_rate_hz), 0, json);
	print_number("skewPpm", (double)pace.skew_milli_ppm / 1000, 3, json);
	print_number("pitchPpm", pace.pitch_ppm, 0, json);
	print_number("pitchMaxPpm", atomic_load(&header->pitch_max_ppm), 0, json);
	print_number("holdPeriods", atomic_load(&header->hold_periods), 0, json);
	print_number("monotonicNs", (double)now_ns, 0, json);
	print_number("position", (double)card_clock_position(&header->clock, now_ns), 0, json);
	print_flag("plugged", atomic_load(&header->plug) % 2 == 0, json);
	print_flag("hostIdle", has_reason(card, CARD_PLAYBACK, CARD_HALT_HOST_IDLE), json);
	print_flag("noSignal", has_reason(card, CARD_CAPTURE, CARD_HALT_NO_SIGNAL), json);
	print_flag("suspended", has_reason(card, CARD_PLAYBACK, CARD_HALT_SUSPENDED), json);
	print_flag("hang", atomic_load(&header->hang), json);
	print_side(CARD_PLAYBACK, &playback, json);
	print_side(CARD_CAPTURE, &capture, json);
	if (json)
		printf("}\n");
	return 0;
}
