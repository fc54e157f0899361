import { type EncoderSettings, isDtx, NativeBackend } from '@kvm-audio/audio';
import { loadOpusAddon } from '@kvm-audio/native-alsa/opus';
import { noDrops, packetFlags } from '@kvm-audio/protocol';
import type { PcmSlot } from '../../packages/output-pipeline/src/PcmSink.js';
import { musicEncoder } from '../helpers/musicEncoder.js';
import { steepestStep } from '../helpers/signal.js';
import { speechSignal } from '../helpers/syntheticSignals.js';
import { type PlayoutSecond, PlayoutSimulation } from './PlayoutSimulation.js';
import type { PlaybackListener } from './SimulatedPlayback.js';
import { fadedStepMax } from './ToneDecoder.js';
import { type Arrival, followedBy, trace } from './Trace.js';

/** What the card was given, first channel. */
class Recorder implements PlaybackListener {
  readonly samples: number[] = [];

  audio({ pcm, offsetFrames, frames }: PcmSlot): void {
    for (let i = 0; i < frames; i++) this.samples.push(pcm[(offsetFrames + i) * 2] ?? 0);
  }

  silence(frames: number): void {
    for (let i = 0; i < frames; i++) this.samples.push(0);
  }

  stopped(unplayedFrames: number): void {
    this.samples.length -= unplayedFrames;
  }
}

function* tone(seconds: number, phaseFrames: number, startUs = 0): Generator<Arrival> {
  yield* trace({
    seconds,
    frameMs: 20,
    startUs,
    phaseFrames,
    fate: () => ({ delayMs: 5 }),
  });
}

function heard(arrivals: Iterable<Arrival>, seconds: number): Recorder {
  const listener = new Recorder();
  new PlayoutSimulation({ arrivals, seconds, listener }).run();
  return listener;
}

describe('no click is heard', () => {
  test.each([0, 13, 25, 50, 75])('when another source takes over (phase %i)', (phaseFrames) => {
    const first = tone(2.05, 0);
    const { samples } = heard(followedBy(first, tone(2, phaseFrames, 2.043e6)), 4);
    expect(samples.length).toBeGreaterThan(3.9 * 48_000);
    expect(steepestStep(samples)).toBeLessThanOrEqual(fadedStepMax);
  });

  test.each([0, 25, 50, 75])('at a jump that was announced (phase %i)', (moved) => {
    function* jump(): Generator<Arrival> {
      for (const arrival of trace({
        seconds: 4,
        frameMs: 20,
        fate: ({ index }) => ({
          delayMs: 5,
          flags: index === 100 ? packetFlags.discontinuity : 0,
        }),
      })) {
        const payload = Buffer.from(arrival.packet.payload);
        if (arrival.packet.seq >= 100) payload[17] = moved;
        yield { ...arrival, packet: { ...arrival.packet, payload } };
      }
    }
    expect(steepestStep(heard(jump(), 4).samples)).toBeLessThanOrEqual(fadedStepMax);
  });
});

/** How often sound begins, where 5 ms of exact silence or more end it. */
function beginnings(samples: readonly number[]): number {
  let count = 0;
  let silent = 240;
  for (const sample of samples) {
    if (sample === 0) silent += 1;
    else {
      if (silent >= 240) count += 1;
      silent = 0;
    }
  }
  return count;
}

test.each([100, 300, 600, 900])(
  'a source that stopped %i ms ago ends, or is taken over, without a sound',
  (pausedMs) => {
    // It stops where the tone is loudest.
    const stopped = () => tone(2, 25);
    const next = tone(2, 25, 2e6 + 1_000 * pausedMs);
    const { samples } = heard(followedBy(stopped(), next), 4 + pausedMs / 1_000);
    expect(beginnings(samples)).toBe(2);
    expect(beginnings(heard(stopped(), 4).samples)).toBe(1);
  },
);

describe('a pause that a source announces', () => {
  const frameMs = 20;
  /** Two seconds, the pause, two seconds. @param moves whether its media time goes on meanwhile */
  function* pausing(pauseMs: number, moves: boolean, local: boolean): Generator<Arrival> {
    const from = 100;
    const to = from + pauseMs / frameMs;
    const arrivals = trace({
      seconds: 4 + pauseMs / 1_000,
      frameMs,
      local,
      phaseFrames: 25, // it begins and ends where the tone is loudest
      fate: ({ index }) => ({
        delayMs: 5,
        flags: index === from - 1 ? packetFlags.dtx : 0,
        unsent: index >= from && index < to,
      }),
    });
    const stoodStill = moves ? 0 : pauseMs * 48;
    for (const { atUs, packet } of arrivals) {
      const mediaTime = packet.mediaTime - (packet.seq >= from ? stoodStill : 0);
      yield { atUs, packet: { ...packet, mediaTime } };
    }
  }

  test.each(
    [40, 100, 200, 400, 900, 1_400, 3_000].flatMap((pauseMs) =>
      [true, false].flatMap((moves) => [true, false].map((local) => ({ pauseMs, moves, local }))),
    ),
  )('is heard as such, and all behind it ($pauseMs ms, $moves, $local)', (pause) => {
    const { pauseMs, moves, local } = pause;
    const listener = new Recorder();
    const seconds = 4 + pauseMs / 1_000;
    const arrivals = pausing(pauseMs, moves, local);
    const goalsMs: number[] = [];
    const onSecond = ({ goalMs }: PlayoutSecond): number => goalsMs.push(goalMs);
    const { counters } = new PlayoutSimulation({ arrivals, seconds, listener, onSecond }).run();
    expect(counters.drops).toEqual(noDrops());
    expect(counters.concealedFrames).toBe(0);
    // A pause is no lateness.
    expect(goalsMs.at(-1)).toBeLessThanOrEqual(goalsMs[1]!);
    // A source may begin as it likes.
    const heardBehind = listener.samples.slice(48_000);
    expect(steepestStep(heardBehind)).toBeLessThanOrEqual(fadedStepMax);
  });
});

describe('music whose packets are missing now and then', () => {
  const rate = 48_000;
  const seconds = 20;
  const peak = 8_191;
  /** Up and down between 300 and 1,300 Hz: wherever it is cut, it does not go on. */
  const chirp = new Int16Array(seconds * rate * 2);
  let phase = 0;
  for (let frame = 0; frame < seconds * rate; frame++) {
    phase += (2 * Math.PI * (800 - 500 * Math.cos((Math.PI * frame) / rate))) / rate;
    chirp.fill(Math.round(peak * Math.sin(phase)), 2 * frame, 2 * frame + 2);
  }

  /**
   * @param delayMs of each packet, which comes behind the one before it; undefined: it is lost.
   * @param counted where its source had never had what is lost, and counts what it sends
   */
  function* packets(
    frameMs: number,
    delayMs: (index: number) => number | undefined,
    counted: boolean,
  ): Generator<Arrival> {
    const frames = frameMs * 48;
    const encoder = new NativeBackend(loadOpusAddon()).createEncoder('audio', 2, musicEncoder);
    let lastUs = 0;
    let sent = 0;
    for (let index = 0; (index + 1) * frames <= seconds * rate; index++) {
      const pcm = chirp.subarray(2 * index * frames);
      const bytes = Buffer.alloc(1_500);
      const payload = bytes.subarray(0, encoder.encode(pcm, frames, bytes));
      const delay = delayMs(index);
      if (delay === undefined) continue;
      lastUs = Math.max(lastUs, 1_000 * ((index + 1) * frameMs + delay));
      const captureTimeUs = 1_000 * index * frameMs;
      const seq = counted ? sent : index;
      const mediaTime = seq * frames;
      yield { atUs: lastUs, packet: { seq, mediaTime, captureTimeUs, flags: 0, payload } };
      sent += 1;
    }
    encoder.close();
  }

  /** How sharply it bends at most, and how loud it is at most, in the settled stream. */
  function shape(frameMs: number, delayMs: (index: number) => number | undefined, counted = false) {
    const listener = new Recorder();
    const decoder = new NativeBackend(loadOpusAddon()).createDecoder(2);
    const arrivals = packets(frameMs, delayMs, counted);
    const { counters } = new PlayoutSimulation({ arrivals, seconds, decoder, listener }).run();
    decoder.close();
    const heard = listener.samples.slice(rate);
    let bend = 0;
    for (let i = 2; i < heard.length; i++) {
      bend = Math.max(bend, Math.abs(heard[i]! - 2 * heard[i - 1]! + heard[i - 2]!));
    }
    return { bend, loudest: heard.reduce((most, x) => Math.max(most, Math.abs(x)), 0), counters };
  }

  const now = (seq: number): boolean => seq % 20 === 7;
  const fates: [string, (seq: number) => number | undefined][] = [
    ['lost', (seq) => (now(seq) ? undefined : 0)],
    ['lost, two at a time', (seq) => (now(seq) || now(seq - 1) ? undefined : 0)],
    ['late', (seq) => (now(seq) ? 8 + (seq % 37) : 0)],
    ['very late', (seq) => (now(seq) ? 40 + (seq % 37) : 0)],
  ];
  /** Of what is sent it is 240; of steps from one place of it to another, up to 4 × the peak. */
  const bendMax = 1_500;

  test.each([10, 20].flatMap((ms) => fates.map((fate) => [ms, ...fate] as const)))(
    '(%i ms, %s) has no step in it',
    (frameMs, fate, delayMs) => {
      const { bend, loudest, counters } = shape(frameMs, delayMs);
      expect(counters.concealedFrames).toBeGreaterThan(seconds * 1_000);
      expect(bend).toBeLessThan(bendMax);
      // What libopus makes of a packet whose predecessor it never had can be louder.
      if (fate.includes('late')) expect(loudest).toBeLessThan(1.15 * peak);
    },
  );

  test.each([10, 20])(
    '(%i ms) has no step where its source had a gap and does not say so',
    (ms) => {
      const { bend, counters } = shape(ms, (index) => (now(index) ? undefined : 0), true);
      expect(counters.drops).toEqual(noDrops());
      expect(bend).toBeLessThan(bendMax);
    },
  );
});

describe('speech with pauses that are not sent', () => {
  const frames = 960;
  const speech = speechSignal(frames * 50, 2);
  const settings: EncoderSettings = {
    bitrate: 24_000,
    complexity: 5,
    vbr: true,
    constrainedVbr: true,
    dtx: true,
    fec: false,
    expectedLossPercent: 0,
    signal: 'voice',
    bandwidthMax: 'wide',
    forcedChannels: 0,
  };
  /** One second of speech, two of silence, a second of speech. */
  const said = new Int16Array(200 * frames * 2);
  said.set(speech);
  said.set(speech, 150 * frames * 2);

  /** Of the silence only the first packet is sent, and what the encoder sends as refreshes. */
  function* withPause(): Generator<Arrival> {
    const encoder = new NativeBackend(loadOpusAddon()).createEncoder('voip', 2, settings);
    let seq = 0;
    let pauses = false;
    for (let mediaTime = 0; mediaTime < 200 * frames; mediaTime += frames) {
      const bytes = Buffer.alloc(1_000);
      const length = encoder.encode(said.subarray(mediaTime * 2), frames, bytes);
      const unsent = pauses && isDtx(length);
      pauses = isDtx(length);
      if (unsent) continue;
      const payload = bytes.subarray(0, length);
      const flags = pauses ? packetFlags.dtx : 0;
      const packet = { seq, mediaTime, captureTimeUs: undefined, flags, payload };
      seq += 1;
      yield { atUs: ((mediaTime + frames) * 1_000) / 48 + 5_000, packet };
    }
    encoder.close();
  }

  test('is filled quietly, as no loss, and each word begins in its place', () => {
    const listener = new Recorder();
    const decoder = new NativeBackend(loadOpusAddon()).createDecoder(2);
    const sent = [...withPause()];
    expect(sent.length).toBeLessThan(150);
    const { counters, card } = new PlayoutSimulation({
      arrivals: sent,
      seconds: 4,
      targetMs: 20,
      decoder,
      listener,
    }).run();
    decoder.close();
    expect(counters.concealedFrames).toBe(0);
    expect(counters.insertedFrames + counters.trimmedFrames).toBe(0);
    expect(card.underruns).toBe(0);
    const level = (fromMs: number, toMs: number): number => {
      const part = listener.samples.slice(fromMs * 48, toMs * 48);
      return Math.sqrt(part.reduce((sum, sample) => sum + sample * sample, 0) / part.length);
    };
    expect(level(1_500, 2_900)).toBeLessThan(0.02 * level(100, 900));
    expect(level(3_100, 3_900)).toBeGreaterThan(0.8 * level(100, 900));
  });
});
