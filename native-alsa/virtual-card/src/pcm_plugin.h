/* The callbacks that alsa-lib's ioplug calls. */
#ifndef PCM_PLUGIN_H
#define PCM_PLUGIN_H

#include "stream.h"

extern const snd_pcm_ioplug_callback_t pcm_plugin_callbacks;

/* Frees all that a stream holds, and the stream. */
void pcm_plugin_free(struct stream *stream);

#endif
