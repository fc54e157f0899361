import { createWasmBackend, effectiveFormat, encoderSettings } from '@kvm-audio/audio';
import { qualityLevels } from '@kvm-audio/protocol';
import { makeMaterial } from '../helpers/material.js';
import { type Expectation, TakeComparer } from '../helpers/TakeComparer.js';

jest.setTimeout(120_000);

const profiles = ['microphone', 'program'] as const;
const blockFrames = 240;
/** So far apart that each damage is found on its own, and in no step with any frame. */
const damageEveryFrames = 12_345;
const backend = createWasmBackend();
const played = makeMaterial();

/** What the codec alone makes of the material, at an odd place in a longer recording. */
function coded(expectation: Expectation): Int16Array {
  const format = effectiveFormat({ direction: 'input', deviceChannels: 2, ...expectation });
  const encoder = backend.createEncoder(format.application, 2, encoderSettings(format));
  const decoder = backend.createDecoder(2);
  const frames = format.frameMs * 48;
  const recording = new Int16Array(played.length + 48_000);
  recording.set(played, 2 * 4_321);
  const packet = new Uint8Array(4_096);
  for (let at = 0; at + 2 * frames <= recording.length; at += 2 * frames) {
    const pcm = recording.subarray(at, at + 2 * frames);
    decoder.decode(packet.subarray(0, encoder.encode(pcm, frames, packet)), pcm);
  }
  encoder.close();
  decoder.close();
  return recording;
}

/** Places of damage: where the original is loud for a whole block. */
function loudPlaces(): number[] {
  const places: number[] = [];
  for (let at = 4_800; at < played.length / 2 - 9_600; at += damageEveryFrames) {
    const loud = (frame: number): boolean =>
      played
        .subarray(2 * frame, 2 * (frame + blockFrames))
        .reduce((sum, sample) => sum + Math.abs(sample), 0) >
      2 * blockFrames * 1_500;
    let place = at;
    while (!loud(place) && place < at + damageEveryFrames / 2) place += 48;
    if (loud(place)) places.push(place);
  }
  return places;
}

const places = loudPlaces();

type Damage = (pcm: Int16Array, from: number, to: number) => void;
const damages: Record<string, Damage> = {
  'a block of 5 ms is silent': (pcm, from, to) => pcm.fill(0, from, to),
  'a block of 5 ms is played twice': (pcm, from, to) =>
    pcm.copyWithin(from, from - 2 * blockFrames, to - 2 * blockFrames),
  'an old block of 5 ms comes back': (pcm, from, to) =>
    pcm.copyWithin(from, from - 8_640, to - 8_640),
};

const expectations = profiles.flatMap((profile) =>
  qualityLevels.map((level): Expectation => ({ profile, level })),
);

describe.each(expectations)('a recording of $profile at $level', (expectation) => {
  const comparer = new TakeComparer(played, expectation);
  const good = coded(expectation);
  const { lagFrames, faults, correlation, correlationMin } = comparer.compare(good);

  test('has no fault with the codec alone', () => {
    expect(faults).toEqual([]);
    expect(correlation).toBeGreaterThanOrEqual(correlationMin);
  });

  test.each(Object.entries(damages))('is found faulty wherever %s', (_, damage) => {
    const bad = good.slice();
    for (const place of places) {
      const from = 2 * (lagFrames + place);
      damage(bad, from, from + 2 * blockFrames);
    }
    const found = comparer.compare(bad).faults.map(({ at }) => at);
    const missed = places.filter(
      (place) => !found.some((at) => Math.abs(at - place) <= 2 * blockFrames),
    );
    expect(places.length).toBeGreaterThan(8);
    expect(missed).toEqual([]);
  });

  test('is found faulty where 5 ms are missing', () => {
    const from = 2 * (lagFrames + places[4]!);
    const bad = good.slice();
    bad.copyWithin(from, from + 2 * blockFrames);
    expect(comparer.compare(bad).faults).not.toEqual([]);
  });
});
