import { PlayoutWriter } from './PlayoutWriter.js';

const framesMax = 2_880;

/** Takes over so much of what is wanted as it is told. */
class Sink {
  readonly steered: number[] = [];
  leaves = (ppm: number): number => ppm;
  readonly #slot = { pcm: new Int16Array(2 * framesMax), offsetFrames: 0, frames: 0 };

  acquire() {
    return this.#slot;
  }

  commit(): void {}

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

  test('is resampled where the card has no such control', () => {
    const { resampler, writer, play } = bench();
    writer.steer(0.25);
    play();
    expect(resampler.ppm).toBe(0.25);
  });
});
