/*
 * The PCM type "kvm_audio_card" of alsa-lib's configuration:
 *
 *   pcm.x { type kvm_audio_card  card "name"  rate 48000  channels 2  format "S16_LE" }
 *
 * rate, channels and format shape a card that this open makes; a card that exists is what it is.
 */
#include <alsa/asoundlib.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "card_clock.h"
#include "pcm_plugin.h"
#include "stream_poll.h"

/* Like USB and I2S cards: periods of 1 ms to 125 ms, buffers of up to a second. */
#define PERIODS_PER_SECOND_MAX 1000u
#define PERIODS_PER_SECOND_MIN 8u
#define PERIODS_MAX 1024u

struct request {
	const char *card;
	long rate;
	long channels;
	const char *format;
};

static int read_field(snd_config_t *field, const char *id, struct request *request)
{
	if (strcmp(id, "card") == 0)
		return snd_config_get_string(field, &request->card);
	if (strcmp(id, "rate") == 0)
		return snd_config_get_integer(field, &request->rate);
	if (strcmp(id, "channels") == 0)
		return snd_config_get_integer(field, &request->channels);
	if (strcmp(id, "format") == 0)
		return snd_config_get_string(field, &request->format);
	return -EINVAL;
}

static int read_request(snd_config_t *conf, struct request *request)
{
	snd_config_iterator_t i, next;

	snd_config_for_each(i, next, conf) {
		snd_config_t *field = snd_config_iterator_entry(i);
		const char *id;

		if (snd_config_get_id(field, &id) < 0 || strcmp(id, "comment") == 0 ||
		    strcmp(id, "type") == 0 || strcmp(id, "hint") == 0)
			continue;
		if (read_field(field, id, request) < 0) {
			SNDERR("kvm_audio_card: field %s is unknown or of the wrong type", id);
			return -EINVAL;
		}
	}
	if (!card_name_is_valid(request->card)) {
		SNDERR("kvm_audio_card: card \"%s\": letters, digits, - and _, at most %d",
		       request->card, CARD_NAME_MAX);
		return -EINVAL;
	}
	return 0;
}

static int read_shape(const struct request *request, struct card_shape *shape)
{
	snd_pcm_format_t format = snd_pcm_format_value(request->format);

	if (!card_format_is_known((uint32_t)format)) {
		SNDERR("kvm_audio_card: format %s: S16_LE, S24_LE, S24_3LE, S32_LE or FLOAT_LE",
		       request->format);
		return -EINVAL;
	}
	if (request->rate < (long)CARD_RATE_MIN || request->rate > (long)CARD_RATE_MAX) {
		SNDERR("kvm_audio_card: rate %ld: %u to %u Hz", request->rate, CARD_RATE_MIN,
		       CARD_RATE_MAX);
		return -EINVAL;
	}
	if (request->channels < 1 || request->channels > (long)CARD_CHANNELS_MAX) {
		SNDERR("kvm_audio_card: channels %ld: 1 to %u", request->channels,
		       CARD_CHANNELS_MAX);
		return -EINVAL;
	}
	*shape = (struct card_shape){
		.rate_hz = (uint32_t)request->rate,
		.channels = (uint32_t)request->channels,
		.format = (uint32_t)format,
		.sample_bytes = (uint32_t)snd_pcm_format_physical_width(format) / 8,
	};
	return 0;
}

/* The card's own shape is all that it offers, as `hw:` does. */
static int constrain(struct stream *stream)
{
	static const unsigned int access[] = {SND_PCM_ACCESS_MMAP_INTERLEAVED,
					      SND_PCM_ACCESS_RW_INTERLEAVED};
	const struct card_header *header = stream->card.header;
	unsigned int rate = atomic_load(&header->offered_rate_hz);
	unsigned int format = header->format;
	unsigned int second = rate * header->frame_bytes;
	unsigned int period = rate / PERIODS_PER_SECOND_MAX * header->frame_bytes;
	snd_pcm_ioplug_t *io = &stream->io;
	int err;

	err = snd_pcm_ioplug_set_param_list(io, SND_PCM_IOPLUG_HW_ACCESS, 2, access);
	if (err >= 0)
		err = snd_pcm_ioplug_set_param_list(io, SND_PCM_IOPLUG_HW_FORMAT, 1, &format);
	if (err >= 0)
		err = snd_pcm_ioplug_set_param_minmax(io, SND_PCM_IOPLUG_HW_CHANNELS,
						      header->channels, header->channels);
	if (err >= 0)
		err = snd_pcm_ioplug_set_param_minmax(io, SND_PCM_IOPLUG_HW_RATE, rate, rate);
	if (err >= 0)
		err = snd_pcm_ioplug_set_param_minmax(io, SND_PCM_IOPLUG_HW_PERIOD_BYTES, period,
						      second / PERIODS_PER_SECOND_MIN);
	if (err >= 0)
		err = snd_pcm_ioplug_set_param_minmax(io, SND_PCM_IOPLUG_HW_BUFFER_BYTES,
						      2 * period, second);
	if (err >= 0)
		err = snd_pcm_ioplug_set_param_minmax(io, SND_PCM_IOPLUG_HW_PERIODS, 2,
						      PERIODS_MAX);
	return err;
}

/* Takes the side; an unplugged card is not found, as a `hw:` that is not there. */
static int take_side(struct stream *stream)
{
	stream->plug = atomic_load(&stream->card.header->plug);
	card_hang_point(&stream->card);
	if (stream->plug % 2 != 0)
		return -ENOENT;
	return card_lock_side(&stream->card, stream->side, stream->plug);
}

static int open_stream(struct stream **out, const struct request *request, snd_pcm_stream_t side)
{
	struct stream *stream;
	struct card_shape shape;
	int err = read_shape(request, &shape);

	if (err < 0)
		return err;
	stream = calloc(1, sizeof(*stream));
	if (!stream)
		return -ENOMEM;
	stream->side = (enum card_side)side;
	stream->pid = (uint32_t)getpid();
	stream->timer_fd = -1;
	stream->watch_fd = -1;
	stream->boundary = 1u << 30;
	stream->avail_min = 1;
	pthread_mutex_init(&stream->guard, NULL);
	err = card_open(&stream->card, request->card, &shape);
	if (err >= 0)
		err = take_side(stream);
	if (err >= 0)
		err = stream_poll_open(stream);
	if (err < 0) {
		pcm_plugin_free(stream);
		return err;
	}
	*out = stream;
	return 0;
}

/* What alsa-lib looks up; all else in the plugin is hidden. */
#pragma GCC visibility push(default)
SND_PCM_PLUGIN_DEFINE_FUNC(kvm_audio_card)
{
	struct request request = {.card = "card0", .rate = 48000, .channels = 2,
				  .format = "S16_LE"};
	struct stream *handle = NULL;
	int err = read_request(conf, &request);

	(void)root;
	if (err >= 0)
		err = open_stream(&handle, &request, stream);
	if (err < 0)
		return err;
	handle->io.version = SND_PCM_IOPLUG_VERSION;
	handle->io.name = "kvm-audio virtual card";
	handle->io.flags = SND_PCM_IOPLUG_FLAG_MONOTONIC | SND_PCM_IOPLUG_FLAG_BOUNDARY_WA;
	handle->io.callback = &pcm_plugin_callbacks;
	handle->io.private_data = handle;
	handle->io.nonblock = (mode & SND_PCM_NONBLOCK) != 0;
	err = snd_pcm_ioplug_create(&handle->io, name, stream, mode);
	if (err < 0) {
		pcm_plugin_free(handle);
		return err;
	}
	err = constrain(handle);
	if (err < 0) {
		snd_pcm_ioplug_delete(&handle->io);
		return err;
	}
	stream_report(handle, SND_PCM_STATE_OPEN);
	*pcmp = handle->io.pcm;
	return 0;
}

SND_PCM_PLUGIN_SYMBOL(kvm_audio_card);
#pragma GCC visibility pop
