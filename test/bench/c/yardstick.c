// The yardstick: what a simple, competent C program needs for the same work. Two processes with a
// socket pair between them: one captures and encodes, the other decodes and plays.
//
// It takes the settings of the program that it is compared with, all in frames of 48 kHz:
//   yardstick CAPTURE PLAYBACK period=240 buffer=4800 frame=960 channels=2 bitrate=96000
//             complexity=4 application=2049 signal=-1000 bandwidth=1105 forced=-1000
// Playback starts with one frame and one period of margin, and gets one more period of margin
// after each underrun. Writes `ready CAPTURE_PID PLAYBACK_PID`; ends at SIGTERM and then writes
//   capture frames=N overruns=N
//   playback frames=N underruns=N margin_periods=N
#include <alsa/asoundlib.h>
#include <opus.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { RATE = 48000, PACKET_BYTES_MAX = 4096 };

struct settings {
  long period, buffer, frame, channels, bitrate, complexity, application, signal, bandwidth, forced;
};

static volatile sig_atomic_t stopping;

static void on_term(int signal) {
  (void)signal;
  stopping = 1;
}

static void die(const char* what, const char* why) {
  fprintf(stderr, "yardstick: %s: %s\n", what, why);
  exit(1);
}

static void must_alsa(const char* what, long code) {
  if (code < 0) die(what, snd_strerror((int)code));
}

static void must_opus(const char* what, int code) {
  if (code < 0) die(what, opus_strerror(code));
}

static void* allocate(size_t bytes) {
  void* memory = calloc(1, bytes);
  if (!memory) die("calloc", "no memory");
  return memory;
}

static void parse(struct settings* s, int count, char** words) {
  const struct {
    const char* name;
    long* value;
  } keys[] = {
      {"period", &s->period},           {"buffer", &s->buffer},
      {"frame", &s->frame},             {"channels", &s->channels},
      {"bitrate", &s->bitrate},         {"complexity", &s->complexity},
      {"application", &s->application}, {"signal", &s->signal},
      {"bandwidth", &s->bandwidth},     {"forced", &s->forced},
  };
  for (int i = 0; i < count; i++) {
    const char* equals = strchr(words[i], '=');
    size_t key = 0;
    while (equals && key < sizeof keys / sizeof *keys &&
           strncmp(words[i], keys[key].name, equals - words[i]) != 0)
      key++;
    if (!equals || key == sizeof keys / sizeof *keys) die(words[i], "unknown setting");
    *keys[key].value = atol(equals + 1);
  }
}

// Blocking, with the given period and buffer. `wake` frames are what a wait is for.
static snd_pcm_t* open_card(const char* name, snd_pcm_stream_t direction, const struct settings* s,
                            long wake) {
  snd_pcm_t* pcm;
  snd_pcm_hw_params_t* hardware;
  snd_pcm_sw_params_t* software;
  snd_pcm_uframes_t period = s->period, buffer = s->buffer;

  must_alsa(name, snd_pcm_open(&pcm, name, direction, 0));
  snd_pcm_hw_params_alloca(&hardware);
  must_alsa("any", snd_pcm_hw_params_any(pcm, hardware));
  must_alsa("access",
            snd_pcm_hw_params_set_access(pcm, hardware, SND_PCM_ACCESS_RW_INTERLEAVED));
  must_alsa("format", snd_pcm_hw_params_set_format(pcm, hardware, SND_PCM_FORMAT_S16_LE));
  must_alsa("channels", snd_pcm_hw_params_set_channels(pcm, hardware, s->channels));
  must_alsa("rate", snd_pcm_hw_params_set_rate(pcm, hardware, RATE, 0));
  must_alsa("period", snd_pcm_hw_params_set_period_size_near(pcm, hardware, &period, NULL));
  must_alsa("buffer", snd_pcm_hw_params_set_buffer_size_near(pcm, hardware, &buffer));
  must_alsa("hw_params", snd_pcm_hw_params(pcm, hardware));
  snd_pcm_sw_params_alloca(&software);
  must_alsa("current", snd_pcm_sw_params_current(pcm, software));
  must_alsa("avail_min", snd_pcm_sw_params_set_avail_min(pcm, software, wake));
  if (direction == SND_PCM_STREAM_PLAYBACK)  // started by hand, when the margin is in
    must_alsa("start", snd_pcm_sw_params_set_start_threshold(pcm, software, buffer + 1));
  must_alsa("sw_params", snd_pcm_sw_params(pcm, software));
  return pcm;
}

static OpusEncoder* make_encoder(const struct settings* s) {
  int code;
  OpusEncoder* encoder = opus_encoder_create(RATE, s->channels, s->application, &code);
  must_opus("encoder", code);
  must_opus("bitrate", opus_encoder_ctl(encoder, OPUS_SET_BITRATE(s->bitrate)));
  must_opus("complexity", opus_encoder_ctl(encoder, OPUS_SET_COMPLEXITY(s->complexity)));
  must_opus("signal", opus_encoder_ctl(encoder, OPUS_SET_SIGNAL(s->signal)));
  must_opus("bandwidth", opus_encoder_ctl(encoder, OPUS_SET_MAX_BANDWIDTH(s->bandwidth)));
  must_opus("forced", opus_encoder_ctl(encoder, OPUS_SET_FORCE_CHANNELS(s->forced)));
  return encoder;
}

static void capture(int to, const char* card, const struct settings* s) {
  OpusEncoder* const encoder = make_encoder(s);
  snd_pcm_t* const pcm = open_card(card, SND_PCM_STREAM_CAPTURE, s, s->frame);
  opus_int16* const frame = allocate(s->frame * s->channels * sizeof *frame);
  unsigned char packet[PACKET_BYTES_MAX];
  long frames = 0, overruns = 0, filled = 0;

  while (!stopping) {
    const snd_pcm_sframes_t got =
        snd_pcm_readi(pcm, frame + filled * s->channels, s->frame - filled);
    if (got < 0) {
      if (got == -EPIPE) overruns++;
      if (!stopping) must_alsa("capture", snd_pcm_recover(pcm, (int)got, 1));
      filled = 0;
      continue;
    }
    filled += got;
    if (filled < s->frame) continue;
    filled = 0;
    frames++;
    const int bytes = opus_encode(encoder, frame, s->frame, packet, sizeof packet);
    must_opus("encode", bytes);
    if (send(to, packet, bytes, MSG_NOSIGNAL) < 0) break;
  }
  printf("capture frames=%ld overruns=%ld\n", frames, overruns);
  snd_pcm_close(pcm);
  opus_encoder_destroy(encoder);
  free(frame);
}

struct player {
  snd_pcm_t* pcm;
  const struct settings* settings;
  opus_int16* silence;
  long margin_periods, underruns;
};

static snd_pcm_sframes_t write_all(snd_pcm_t* pcm, const opus_int16* samples, long frames,
                                   long channels) {
  while (frames > 0) {
    const snd_pcm_sframes_t written = snd_pcm_writei(pcm, samples, frames);
    if (written < 0) return written;
    samples += written * channels;
    frames -= written;
  }
  return 0;
}

static void start(struct player* player, const opus_int16* frame) {
  const struct settings* s = player->settings;
  for (long i = 0; i < player->margin_periods; i++)
    must_alsa("silence", write_all(player->pcm, player->silence, s->period, s->channels));
  must_alsa("first frame", write_all(player->pcm, frame, s->frame, s->channels));
  must_alsa("start", snd_pcm_start(player->pcm));
}

static void play(struct player* player, const opus_int16* frame) {
  const struct settings* s = player->settings;
  if (snd_pcm_state(player->pcm) == SND_PCM_STATE_PREPARED) {
    start(player, frame);
    return;
  }
  const snd_pcm_sframes_t result = write_all(player->pcm, frame, s->frame, s->channels);
  if (result == 0) return;
  if (result == -EPIPE) {
    player->underruns++;
    if ((player->margin_periods + 1) * s->period + s->frame <= s->buffer) player->margin_periods++;
  }
  must_alsa("playback", snd_pcm_recover(player->pcm, (int)result, 1));
  start(player, frame);
}

static void playback(int from, const char* card, const struct settings* s) {
  int code;
  OpusDecoder* const decoder = opus_decoder_create(RATE, s->channels, &code);
  must_opus("decoder", code);
  opus_int16* const frame = allocate(s->frame * s->channels * sizeof *frame);
  struct player player = {
      .pcm = open_card(card, SND_PCM_STREAM_PLAYBACK, s, s->period),
      .settings = s,
      .silence = allocate(s->period * s->channels * sizeof *frame),
      .margin_periods = 1,
  };
  unsigned char packet[PACKET_BYTES_MAX];
  long frames = 0;

  for (;;) {
    const ssize_t bytes = recv(from, packet, sizeof packet, 0);
    if (bytes <= 0) break;
    must_opus("decode", opus_decode(decoder, packet, (opus_int32)bytes, frame, s->frame, 0));
    play(&player, frame);
    frames++;
  }
  printf("playback frames=%ld underruns=%ld margin_periods=%ld\n", frames, player.underruns,
         player.margin_periods);
  snd_pcm_close(player.pcm);
  opus_decoder_destroy(decoder);
  free(player.silence);
  free(frame);
}

int main(int argc, char** argv) {
  struct settings settings = {.period = 240,        .buffer = 4800,     .frame = 960,
                              .channels = 2,        .bitrate = 96000,   .complexity = 4,
                              .application = 2049,  .signal = -1000,    .bandwidth = 1105,
                              .forced = -1000};
  int ends[2];

  if (argc < 3) die("usage", "yardstick CAPTURE PLAYBACK [key=value ...]");
  parse(&settings, argc - 3, argv + 3);
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) < 0) die("socketpair", strerror(errno));
  const pid_t child = fork();
  if (child < 0) die("fork", strerror(errno));
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    close(ends[0]);
    playback(ends[1], argv[2], &settings);
    return 0;
  }
  close(ends[1]);
  const struct sigaction action = {.sa_handler = on_term};
  sigaction(SIGTERM, &action, NULL);
  printf("ready %d %d\n", (int)getpid(), (int)child);
  capture(ends[0], argv[1], &settings);
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
