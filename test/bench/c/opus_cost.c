// The cost of libopus alone: microseconds per opus_encode and opus_decode call, medians.
// The same PCM, settings and counting as codec-cost.mjs, which builds and runs it:
//   cc -O2 -o opus_cost opus_cost.c $(pkg-config --cflags --libs opus)
//   opus_cost pcm.s16 channels frames application bitrate complexity signal bandwidth forced
// Prints: encode_us decode_us bytes
#include <opus.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { WARM_CALLS = 50, CALLS_MAX = 4000, PACKET_BYTES_MAX = 4096 };

static double now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static int ascending(const void* a, const void* b) {
  const double x = *(const double*)a, y = *(const double*)b;
  return (x > y) - (x < y);
}

static double median(double* values, int count) {
  qsort(values, count, sizeof *values, ascending);
  return values[count / 2];
}

static void must(int code) {
  if (code >= 0) return;
  fprintf(stderr, "opus_cost: %s\n", opus_strerror(code));
  exit(1);
}

int main(int argc, char** argv) {
  if (argc != 10) return fprintf(stderr, "usage: see opus_cost.c\n"), 2;
  const int channels = atoi(argv[2]), frames = atoi(argv[3]);
  FILE* file = fopen(argv[1], "rb");
  if (!file) return perror(argv[1]), 1;
  const size_t frame_samples = (size_t)frames * channels;
  opus_int16* pcm = malloc(CALLS_MAX * frame_samples * sizeof *pcm);
  opus_int16* out = malloc(frame_samples * sizeof *out);
  if (!pcm || !out) return 1;
  const int calls =
      fread(pcm, frame_samples * sizeof *pcm, CALLS_MAX, file);
  fclose(file);
  if (calls <= WARM_CALLS) return fprintf(stderr, "too little PCM\n"), 1;

  int code;
  OpusEncoder* encoder = opus_encoder_create(48000, channels, atoi(argv[4]), &code);
  must(code);
  OpusDecoder* decoder = opus_decoder_create(48000, channels, &code);
  must(code);
  must(opus_encoder_ctl(encoder, OPUS_SET_BITRATE(atoi(argv[5]))));
  must(opus_encoder_ctl(encoder, OPUS_SET_COMPLEXITY(atoi(argv[6]))));
  must(opus_encoder_ctl(encoder, OPUS_SET_SIGNAL(atoi(argv[7]))));
  must(opus_encoder_ctl(encoder, OPUS_SET_MAX_BANDWIDTH(atoi(argv[8]))));
  must(opus_encoder_ctl(encoder, OPUS_SET_FORCE_CHANNELS(atoi(argv[9]))));

  static double encode_us[CALLS_MAX], decode_us[CALLS_MAX];
  unsigned char packet[PACKET_BYTES_MAX];
  long bytes = 0;
  for (int i = 0; i < calls; i++) {
    const double start = now_us();
    const int length =
        opus_encode(encoder, pcm + i * frame_samples, frames, packet, sizeof packet);
    const double middle = now_us();
    must(length);
    must(opus_decode(decoder, packet, length, out, frames, 0));
    const double end = now_us();
    bytes += length;
    encode_us[i] = middle - start;
    decode_us[i] = end - middle;
  }
  const int counted = calls - WARM_CALLS;
  printf("%.2f %.2f %ld\n", median(encode_us + WARM_CALLS, counted),
         median(decode_us + WARM_CALLS, counted), bytes);
  opus_encoder_destroy(encoder);
  opus_decoder_destroy(decoder);
  free(pcm);
  free(out);
  return 0;
}
