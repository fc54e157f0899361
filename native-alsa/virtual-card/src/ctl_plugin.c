/*
 * The control type "kvm_audio_card" of alsa-lib's configuration: `ctl.x { type kvm_audio_card
 * card "name" }`. A card that was given one has one element, named, numbered and bounded as that
 * of a USB gadget (Linux, drivers/usb/gadget/function/u_audio.c): "Playback Pitch 1000000".
 */
#include <alsa/asoundlib.h>
#include <alsa/control_external.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "card_clock.h"
#include "card_file.h"

#define PITCH_NAME "Playback Pitch 1000000"
#define NOMINAL 1000000L
#define PITCH_KEY ((snd_ctl_ext_key_t)0)
#define LOCK_WAIT_MS 20

struct mixer {
	snd_ctl_ext_t ext;
	struct card card;
	uint32_t plug;             /* the card's plug count when opened: any other, we are dead */
};

static uint32_t max_ppm(const struct mixer *mixer)
{
	return atomic_load(&mixer->card.header->pitch_max_ppm);
}

/* As every call on the card: it may hang, and it fails once the card has been unplugged. */
static int check_card(const struct mixer *mixer)
{
	card_hang_point(&mixer->card);
	return atomic_load(&mixer->card.header->plug) == mixer->plug ? 0 : -ENODEV;
}

static void on_close(snd_ctl_ext_t *ext)
{
	struct mixer *mixer = ext->private_data;

	card_hang_point(&mixer->card);
	card_close(&mixer->card);
	free(mixer);
}

static int on_elem_count(snd_ctl_ext_t *ext)
{
	const struct mixer *mixer = ext->private_data;
	int err = check_card(mixer);

	return err < 0 ? err : max_ppm(mixer) > 0;
}

static int on_elem_list(snd_ctl_ext_t *ext, unsigned int offset, snd_ctl_elem_id_t *id)
{
	if (offset > 0 || max_ppm(ext->private_data) == 0)
		return -EINVAL;
	snd_ctl_elem_id_set_interface(id, SND_CTL_ELEM_IFACE_PCM);
	snd_ctl_elem_id_set_name(id, PITCH_NAME);
	return 0;
}

static snd_ctl_ext_key_t on_find_elem(snd_ctl_ext_t *ext, const snd_ctl_elem_id_t *id)
{
	if (max_ppm(ext->private_data) == 0 ||
	    snd_ctl_elem_id_get_interface(id) != SND_CTL_ELEM_IFACE_PCM ||
	    strcmp(snd_ctl_elem_id_get_name(id), PITCH_NAME) != 0)
		return SND_CTL_EXT_KEY_NOT_FOUND;
	return PITCH_KEY;
}

static int on_get_attribute(snd_ctl_ext_t *ext, snd_ctl_ext_key_t key, int *type,
			    unsigned int *access, unsigned int *count)
{
	(void)ext;
	(void)key;
	*type = SND_CTL_ELEM_TYPE_INTEGER;
	*access = SND_CTL_EXT_ACCESS_READWRITE;
	*count = 1;
	return 0;
}

static int on_get_integer_info(snd_ctl_ext_t *ext, snd_ctl_ext_key_t key, long *low, long *high,
			       long *step)
{
	(void)key;
	*low = NOMINAL + CARD_PITCH_MIN_PPM;
	*high = NOMINAL + (long)max_ppm(ext->private_data);
	*step = 1;
	return 0;
}

static int on_read_integer(snd_ctl_ext_t *ext, snd_ctl_ext_key_t key, long *value)
{
	const struct mixer *mixer = ext->private_data;
	int err = check_card(mixer);

	(void)key;
	*value = NOMINAL + card_clock_pace(&mixer->card.header->clock).pitch_ppm;
	return err;
}

/* The gadget's driver takes what is beyond its bounds as the bound. */
static int32_t bounded_ppm(const struct mixer *mixer, long value)
{
	long ppm = value - NOMINAL;
	long high = (long)max_ppm(mixer);

	if (ppm < CARD_PITCH_MIN_PPM)
		ppm = CARD_PITCH_MIN_PPM;
	return (int32_t)(ppm > high ? high : ppm);
}

static int on_write_integer(snd_ctl_ext_t *ext, snd_ctl_ext_key_t key, long *value)
{
	struct mixer *mixer = ext->private_data;
	struct card_clock *clock = &mixer->card.header->clock;
	int32_t ppm = bounded_ppm(mixer, *value);
	struct card_pace pace;
	int result = check_card(mixer);

	(void)key;
	if (result == 0)
		result = card_lock_command(&mixer->card, LOCK_WAIT_MS);
	if (result < 0)
		return result;
	pace = card_clock_pace(clock);
	result = pace.pitch_ppm != ppm;
	if (result) {
		pace.pitch_ppm = ppm;
		card_clock_set(clock, pace, monotonic_ns());
		card_wake(&mixer->card);
	}
	card_unlock_command(&mixer->card);
	return result;
}

/* Nobody is told of changes. */
static int on_read_event(snd_ctl_ext_t *ext, snd_ctl_elem_id_t *id, unsigned int *mask)
{
	(void)ext;
	(void)id;
	(void)mask;
	return -EAGAIN;
}

static const snd_ctl_ext_callback_t callbacks = {
	.close = on_close,
	.elem_count = on_elem_count,
	.elem_list = on_elem_list,
	.find_elem = on_find_elem,
	.get_attribute = on_get_attribute,
	.get_integer_info = on_get_integer_info,
	.read_integer = on_read_integer,
	.write_integer = on_write_integer,
	.read_event = on_read_event,
};

static int read_card(snd_config_t *conf, const char **card)
{
	snd_config_t *field;
	int err = snd_config_search(conf, "card", &field);

	if (err >= 0)
		err = snd_config_get_string(field, card);
	return err < 0 || !card_name_is_valid(*card) ? -EINVAL : 0;
}

static int open_mixer(struct mixer **out, const char *card)
{
	struct mixer *mixer = calloc(1, sizeof(*mixer));
	int err;

	if (!mixer)
		return -ENOMEM;
	err = card_open(&mixer->card, card, NULL);
	if (err >= 0) {
		mixer->plug = atomic_load(&mixer->card.header->plug);
		card_hang_point(&mixer->card);
		err = mixer->plug % 2 == 0 ? 0 : -ENOENT;
	}
	if (err < 0) {
		card_close(&mixer->card);
		free(mixer);
		return err;
	}
	*out = mixer;
	return 0;
}

/* What alsa-lib looks up; all else in the plugin is hidden. */
#pragma GCC visibility push(default)
SND_CTL_PLUGIN_DEFINE_FUNC(kvm_audio_card)
{
	struct mixer *mixer = NULL;
	const char *card = NULL;
	int err = read_card(conf, &card);

	(void)root;
	if (err >= 0)
		err = open_mixer(&mixer, card);
	if (err < 0)
		return err;
	mixer->ext.version = SND_CTL_EXT_VERSION;
	mixer->ext.card_idx = -1;
	snprintf(mixer->ext.id, sizeof(mixer->ext.id), "kvm_audio_card");
	snprintf(mixer->ext.driver, sizeof(mixer->ext.driver), "kvm_audio_card");
	snprintf(mixer->ext.name, sizeof(mixer->ext.name), "kvm-audio virtual card");
	snprintf(mixer->ext.longname, sizeof(mixer->ext.longname), "kvm-audio virtual card %s",
		 card);
	mixer->ext.poll_fd = -1;
	mixer->ext.callback = &callbacks;
	mixer->ext.private_data = mixer;
	err = snd_ctl_ext_create(&mixer->ext, name, mode);
	if (err < 0) {
		card_close(&mixer->card);
		free(mixer);
		return err;
	}
	*handlep = mixer->ext.handle;
	return 0;
}

SND_CTL_PLUGIN_SYMBOL(kvm_audio_card);
#pragma GCC visibility pop
