/* kvm-audio-card NAME COMMAND: what a hand does to a real card, and what goes wrong with one. */
#include "control.h"

#include <alsa/asoundlib.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOCK_WAIT_MS 2000
#define GADGET_EIO_MS 500u

static const char usage_text[] =
	"usage: kvm-audio-card NAME COMMAND\n"
	"  status [--json]                what the card is and does\n"
	"  create [--rate HZ] [--channels N]\n"
	"         [--format S16_LE|S24_LE|S24_3LE|S32_LE|FLOAT_LE]\n"
	"  remove                         deletes the card, if nobody uses it\n"
	"  skew PPM                       its clock runs fast (+) or slow (-), -1000 to 1000\n"
	"  rate HZ [--unsaid]             its clock changes to another rate; --unsaid: and it\n"
	"                                 offers the old one, as receivers do that do not know\n"
	"  pitch on [--max PPM] | off     gives it the pitch control of a USB gadget: up to PPM\n"
	"                                 faster (5000), or takes that away\n"
	"  hold PERIODS                   takes what is played so long before it sounds, 0 to\n"
	"                                 1024, at most a buffer: for streams that start then\n"
	"  xrun [playback|capture]        breaks the running stream(s) once\n"
	"  unplug [--errno ENODEV|EBADFD] the card goes; open handles are dead for ever\n"
	"  replug                         it comes back, for new opens\n"
	"  host-idle on|off [--eio]       nobody takes what is played; --eio: EIO after 0.5 s\n"
	"  no-signal on|off               nothing arrives to be captured\n"
	"  hang on|off                    calls on the card do not return\n"
	"  suspend | resume               as a suspend of the machine does to a card\n";

/* Only the arguments after NAME COMMAND. */
struct arguments {
	int count;
	char **value;
};

int refuse(const char *format, ...)
{
	va_list arguments;

	fprintf(stderr, "kvm-audio-card: ");
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fprintf(stderr, "\n");
	return EXIT_REFUSED;
}

static int usage(const char *what)
{
	refuse("%s (kvm-audio-card --help)", what);
	return EXIT_USAGE;
}

static bool is_word(struct arguments arguments, int index, const char *word)
{
	return index < arguments.count && strcmp(arguments.value[index], word) == 0;
}

static bool parse_number(const char *text, double low, double high, double *value)
{
	char *end;

	*value = strtod(text, &end);
	return end != text && *end == 0 && *value >= low && *value <= high;
}

static int run_skew(struct card *card, struct arguments arguments)
{
	double ppm;

	if (arguments.count != 1 || !parse_number(arguments.value[0], -CARD_SKEW_MAX_PPM,
						  CARD_SKEW_MAX_PPM, &ppm))
		return usage("skew: give one number from -1000 to 1000, in ppm");
	return control_skew(card, llround(ppm * 1000));
}

static int run_rate(struct card *card, struct arguments arguments)
{
	bool unsaid = is_word(arguments, 1, "--unsaid");
	double hz;

	if (arguments.count != 1 + unsaid ||
	    !parse_number(arguments.value[0], CARD_RATE_MIN, CARD_RATE_MAX, &hz))
		return usage("rate: give one number from 8000 to 192000, in Hz, and --unsaid or "
			     "nothing");
	return control_rate(card, (uint32_t)hz, !unsaid);
}

static int run_pitch(struct card *card, struct arguments arguments)
{
	bool on = is_word(arguments, 0, "on");
	bool bounded = on && is_word(arguments, 1, "--max");
	double max_ppm = CARD_PITCH_USUAL_MAX_PPM;

	if ((!on && !is_word(arguments, 0, "off")) || arguments.count != (bounded ? 3 : 1) ||
	    (bounded && !parse_number(arguments.value[2], 1, CARD_PITCH_MAX_PPM, &max_ppm)))
		return usage("pitch: say on, on --max with 1 to 250000, in ppm, or off");
	return control_pitch(card, on ? (uint32_t)max_ppm : 0);
}

static int run_hold(struct card *card, struct arguments arguments)
{
	double periods;

	if (arguments.count != 1 ||
	    !parse_number(arguments.value[0], 0, CARD_HOLD_MAX_PERIODS, &periods))
		return usage("hold: give one number from 0 to 1024, in periods");
	return control_hold(card, (uint32_t)periods);
}

static int run_xrun(struct card *card, struct arguments arguments)
{
	bool playback = is_word(arguments, 0, "playback");
	bool capture = is_word(arguments, 0, "capture");

	if (arguments.count > 1 || (arguments.count == 1 && !playback && !capture))
		return usage("xrun: give playback, capture or nothing");
	return control_xrun(card, !capture, !playback);
}

static int run_unplug(struct card *card, struct arguments arguments)
{
	if (arguments.count == 0)
		return control_unplug(card, ENODEV);
	if (arguments.count == 2 && is_word(arguments, 0, "--errno")) {
		if (is_word(arguments, 1, "EBADFD"))
			return control_unplug(card, EBADFD);
		if (is_word(arguments, 1, "ENODEV"))
			return control_unplug(card, ENODEV);
	}
	return usage("unplug: the only option is --errno ENODEV or --errno EBADFD");
}

static int run_switch(struct card *card, struct arguments arguments, const char *command)
{
	bool on = is_word(arguments, 0, "on");
	bool host_idle = strcmp(command, "host-idle") == 0;
	bool eio = host_idle && on && is_word(arguments, 1, "--eio");

	if ((!on && !is_word(arguments, 0, "off")) || arguments.count > (eio ? 2 : 1))
		return usage("say on or off (host-idle on --eio)");
	if (strcmp(command, "hang") == 0)
		return control_hang(card, on);
	return control_halt(card, host_idle ? CARD_HALT_HOST_IDLE : CARD_HALT_NO_SIGNAL, on,
			    eio ? GADGET_EIO_MS : 0);
}

static bool is_switch(const char *command)
{
	return strcmp(command, "host-idle") == 0 || strcmp(command, "no-signal") == 0 ||
	       strcmp(command, "hang") == 0;
}

/* A command is short: one that does not let go has been stopped by somebody. */
static int lock_command(const struct card *card)
{
	return card_lock_command(card, LOCK_WAIT_MS) == 0 ? 0
							   : refuse("another command holds the card");
}

static int run_plain(struct card *card, const char *command)
{
	if (strcmp(command, "replug") == 0)
		return control_replug(card);
	if (strcmp(command, "suspend") == 0)
		return control_halt(card, CARD_HALT_SUSPENDED, true, 0);
	if (strcmp(command, "resume") == 0)
		return control_halt(card, CARD_HALT_SUSPENDED, false, 0);
	if (strcmp(command, "remove") == 0)
		return control_remove(card);
	return usage("no such command");
}

static int run_change(struct card *card, const char *command, struct arguments arguments)
{
	int refused = lock_command(card);

	if (refused)
		return refused;
	if (strcmp(command, "skew") == 0)
		return run_skew(card, arguments);
	if (strcmp(command, "rate") == 0)
		return run_rate(card, arguments);
	if (strcmp(command, "pitch") == 0)
		return run_pitch(card, arguments);
	if (strcmp(command, "hold") == 0)
		return run_hold(card, arguments);
	if (strcmp(command, "xrun") == 0)
		return run_xrun(card, arguments);
	if (strcmp(command, "unplug") == 0)
		return run_unplug(card, arguments);
	if (is_switch(command))
		return run_switch(card, arguments, command);
	if (arguments.count != 0)
		return usage("this command takes nothing more");
	return run_plain(card, command);
}

static bool read_shape(struct arguments arguments, struct card_shape *shape)
{
	for (int i = 0; i + 1 < arguments.count; i += 2) {
		const char *value = arguments.value[i + 1];
		double number;

		if (is_word(arguments, i, "--rate") &&
		    parse_number(value, CARD_RATE_MIN, CARD_RATE_MAX, &number)) {
			shape->rate_hz = (uint32_t)number;
		} else if (is_word(arguments, i, "--channels") &&
			   parse_number(value, 1, CARD_CHANNELS_MAX, &number)) {
			shape->channels = (uint32_t)number;
		} else if (is_word(arguments, i, "--format") &&
			   card_format_is_known((uint32_t)snd_pcm_format_value(value))) {
			shape->format = (uint32_t)snd_pcm_format_value(value);
			shape->sample_bytes = (uint32_t)snd_pcm_format_physical_width(
						      (snd_pcm_format_t)shape->format) / 8;
		} else {
			return false;
		}
	}
	return arguments.count % 2 == 0;
}

/* Gives its exit code. */
static int run_command(struct card *card, const char *name, const char *command,
		       const struct card_shape *shape, struct arguments arguments)
{
	bool json = is_word(arguments, 0, "--json");

	if (strcmp(command, "create") == 0)
		return control_create(card, name, shape);
	if (strcmp(command, "status") != 0)
		return run_change(card, command, arguments);
	if (arguments.count > json)
		return usage("status: the only option is --json");
	return control_status(card, name, json);
}

int main(int argc, char **argv)
{
	struct card_shape shape = {48000, 2, SND_PCM_FORMAT_S16_LE, 2};
	struct arguments arguments = {argc - 3, argv + 3};
	const char *command = argc > 2 ? argv[2] : NULL;
	struct card card;
	bool made;
	int code;
	int err;

	if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
		fputs(usage_text, stdout);
		return 0;
	}
	if (!command)
		return usage("give a card's name and a command");
	if (!card_name_is_valid(argv[1]))
		return usage("a card's name has letters, digits, - and _, at most 32");
	if (strcmp(command, "create") == 0 && !read_shape(arguments, &shape))
		return usage("create: --rate 8000 to 192000, --channels 1 to 8, --format "
			     "S16_LE, S24_LE, S24_3LE, S32_LE or FLOAT_LE");
	err = card_open(&card, argv[1], NULL);
	made = err == -ENOENT && strcmp(command, "remove") != 0;
	if (made)
		err = card_open(&card, argv[1], &shape);
	if (err < 0)
		return refuse("%s: %s", argv[1], err == -ENOENT ? "no such card" : strerror(-err));
	code = run_command(&card, argv[1], command, &shape, arguments);
	/* The name may be a typing error. */
	if (made && strcmp(command, "create") != 0)
		fprintf(stderr, "kvm-audio-card: there was no card %s: it was made\n", argv[1]);
	card_close(&card);
	return code;
}
