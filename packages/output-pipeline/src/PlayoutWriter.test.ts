import type { PcmSlot } from './PcmSink.js';
import { PlayoutWriter } from './PlayoutWriter.js';

const framesMax = 2_880;

/** Takes over so much of what is wanted as it is told. */
class Sink {
  readonly steered: number[] = [];
  /** First channel of all that was committed. */
  readonly heard: number[] = [];
  leaves = (ppm: number): number => ppm;
  readonly #slot = { pcm: new Int16Array(2 * framesMax), offsetFrames: 0, frames: 0 };

  acquire() {
    return this.#slot;
  }

  commit({ pcm, offsetFrames, frames }: PcmSlot): void {
    for (let frame = offsetFrames; frame < offsetFrames + frames; frame++) {
      this.heard.push(pcm[2 * frame] ?? 0);
    }
  }

  playout() {
    return {
      streaming: true,
      queuedFrames: 0,
      ringFrames: 0,
      beyondFrames: 0,
      silenceFrames: 0,
      lastProgressUs: 0,
    };
  }

  stop(): void {}

  endOfStream(): void {}

  setPauses(): void {}

  setMargins(): void {}

  steer(ppm: number): number {
    this.steered.push(ppm);
    return this.leaves(ppm);
  }
}

class Resampler {
  readonly latencyFrames = { input: 40 };
  ppm: number | undefined;

  process(_pcm: Int16Array, frames: number) {
    return { consumed: frames, produced: frames };
  }

  setRatio(ppm: number): number {
    this.ppm = ppm;
    return ppm;
  }

  reset(): void {}
}

function bench() {
  const sink = new Sink();
  const resampler = new Resampler();
  const writer = new PlayoutWriter(sink, resampler, 2, framesMax, () => undefined);
  const play = (): void => {
    const slot = writer.acquire();
    if (!slot) throw new Error('no slot');
    slot.offsetFrames = 0;
    slot.frames = 960;
    writer.commit(slot);
  };
  return { sink, resampler, writer, play };
}

describe('a pace other than the card’s', () => {
  test('is left to the card’s own control where that does all of it', () => {
    const { sink, resampler, writer, play } = bench();
    sink.leaves = () => 0;
    writer.steer(300);
    play();
    expect(sink.steered).toEqual([300]);
    expect(writer.isResampling).toBe(false);
    expect(writer.heldFrames).toBe(0);
    expect(resampler.ppm).toBeUndefined();
  });

  test('is resampled by exactly what that control leaves', () => {
    const { sink, resampler, writer, play } = bench();
    sink.leaves = (ppm) => ppm - 200;
    writer.steer(300);
    play();
    expect(writer.isResampling).toBe(true);
    expect(resampler.ppm).toBe(100);
    sink.leaves = (ppm) => ppm;
    writer.steer(310);
    play();
    expect(resampler.ppm).toBe(310);
    sink.leaves = () => 0;
    writer.steer(310);
    play();
    play();
    expect(writer.isResampling).toBe(false);
  });

  test('ends with the stream', () => {
    const { sink, writer } = bench();
    sink.leaves = (ppm) => ppm / 2;
    writer.steer(300);
    writer.forget();
    expect(sink.steered).toEqual([300, 0]);
    expect(writer.isResampling).toBe(false);
  });

  test('keeps nothing of a sound that has died away in the resampler', () => {
    const { writer, play } = bench();
    writer.steer(200);
    play();
    expect(writer.heldFrames).toBeGreaterThan(0);
    writer.noteFaded();
    expect(writer.heldFrames).toBe(0);
  });

  test('is resampled where the card has no such control', () => {
    const { resampler, writer, play } = bench();
    writer.steer(0.25);
    play();
    expect(resampler.ppm).toBe(0.25);
  });

  test('is held to what a resampler can do where a control refuses to come back', () => {
    const { sink, resampler, writer, play } = bench();
    sink.leaves = (ppm) => ppm + 4_000;
    writer.steer(4_000);
    play();
    expect(resampler.ppm).toBe(5_000);
    sink.leaves = (ppm) => ppm - 4_000;
    writer.steer(-4_000);
    expect(resampler.ppm).toBe(-5_000);
  });
});

test.each([
  [960, 2_000],
  [1_920, 1_500],
  [2_880, 480],
])(
  '%i frames are made longer by about %i without a seam, whatever a slot holds',
  (frames, more) => {
    const { sink, writer } = bench();
    const step = (2 * Math.PI * 440) / 48_000;
    let at = 0;
    const slotOf = (count: number): PcmSlot => {
      const slot = writer.acquire();
      if (!slot) throw new Error('no slot');
      for (let i = 0; i < count; i++) {
        slot.pcm.fill(Math.round(10_000 * Math.sin(step * (at + i))), 2 * i, 2 * i + 2);
      }
      at += count;
      slot.offsetFrames = 0;
      slot.frames = count;
      return slot;
    };
    for (let i = 0; i < 3; i++) writer.commit(slotOf(960));
    const { added, committed } = writer.splice(slotOf(frames), more);
    writer.commit(slotOf(960));
    expect(Math.abs(added - more)).toBeLessThanOrEqual(192);
    expect(committed).toBe(frames + added);
    expect(sink.heard).toHaveLength(4 * 960 + frames + added);
    const steps = sink.heard.slice(1).map((sample, i) => Math.abs(sample - (sink.heard[i] ?? 0)));
    expect(Math.max(...steps)).toBeLessThan(1.1 * 10_000 * step + 2);
  },
);
