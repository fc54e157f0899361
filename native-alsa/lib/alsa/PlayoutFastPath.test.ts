import { readdirSync, readFileSync } from 'node:fs';
import { encoded, PlayoutBench, packetFrames } from '../../test/PlayoutBench.js';
import { closeAll, find, joined, openCapture, type Recorder } from '../../test/streams.js';
import { until, VirtualCard } from '../../test/VirtualCard.js';
import {
  binary,
  framed,
  message,
  messagesOf,
  unsigned,
  type Width,
  type WirePacket,
} from '../../test/wire.js';
import { monotonicUs, type PcmOptions, Resampler } from '../alsa.js';
import { createNativeBackend } from '../opus.js';

jest.setTimeout(60_000);

/** Arithmetic that is the same each time. */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

let card: VirtualCard;
const benches: PlayoutBench[] = [];

beforeEach(async () => {
  card = new VirtualCard();
  await card.control('create');
});

afterEach(async () => {
  await closeAll();
  for (const bench of benches.splice(0)) bench.close();
  card.remove();
});

async function open(
  options: Partial<PcmOptions> = {},
  ppm?: number,
  onWake?: () => void,
): Promise<PlayoutBench> {
  const bench = await PlayoutBench.open(card.device, options, ppm, onWake);
  benches.push(bench);
  return bench;
}

/** What the card is to be given for these packets, by a decoder of their own. */
function expected(packets: readonly Uint8Array[], ppm?: number): Int16Array {
  const decoder = createNativeBackend().createDecoder(2);
  const resampler = new Resampler({ channels: 2, inputRate: 48_000, outputRate: 48_000 });
  if (ppm !== undefined) resampler.setRatio(ppm);
  const pcm = new Int16Array(2 * 5_760);
  const out = new Int16Array(2 * 5_760);
  const pieces = packets.map((packet) => {
    const frames = decoder.decode(packet, pcm);
    if (ppm === undefined) return pcm.slice(0, 2 * frames);
    return out.slice(0, 2 * resampler.process(pcm, frames, out).produced);
  });
  decoder.close();
  resampler.close();
  const all = new Int16Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

function threadsNamed(name: string): number {
  return readdirSync('/proc/self/task').filter((task) => {
    try {
      return readFileSync(`/proc/self/task/${task}/comm`, 'utf8').trim() === name;
    } catch {
      return false; // it ended just now
    }
  }).length;
}

/** Writes a message in pieces, now and then. */
function writeInPieces(bench: PlayoutBench, bytes: Buffer, random: (below: number) => number) {
  const cut = random(3) === 0 ? random(bytes.length) : bytes.length;
  bench.write(bytes.subarray(0, cut));
  if (random(2) === 0) swap(bench, random);
  bench.write(bytes.subarray(cut));
}

/** Takes the stream from the thread, or gives it. */
function swap(bench: PlayoutBench, random: (below: number) => number): void {
  if (bench.path.engaged) {
    bench.disengage();
    if (random(2) === 0) bench.playHere();
  } else {
    bench.playHere();
    if (bench.rest.length === 0) bench.engage();
  }
}

function disturbed(bench: PlayoutBench, recorder: Recorder): boolean {
  const { underruns, xruns } = bench.player.playback.counters();
  return underruns + xruns + recorder.capture.counters().xruns > 0;
}

describe('what the fast path plays', () => {
  test.each([
    ['straight', undefined],
    ['through the resampler', 300],
  ])('%s is bit for bit what JavaScript would have played, whoever has the stream when', async (_, ppm) => {
    const packets = encoded(250);
    const sound = expected(packets, ppm);
    const decoded = expected(packets);
    // Where the machine stalls for longer than the margin there is a gap: asked again.
    for (let tries = 0; tries < 20; tries++) {
      const random = randomOf(7 + tries);
      const recorder = await openCapture(card.device, { slotCount: 64 });
      const bench = await open({ slotCount: 6, bufferFrames: 1_920 }, ppm);
      await bench.start(packets.slice(0, 2));
      const { playback } = bench.player;
      let sent = 2;
      for (const payload of packets.slice(2)) {
        // The ring has room for it.
        const ahead = (): number => sent * packetFrames - playback.counters().framesPlayed;
        await until(() => ahead() < 3 * packetFrames || disturbed(bench, recorder));
        const seq = sent;
        const packet = { seq, mediaTime: seq * packetFrames, captureTimeUs: seq, flags: 0, payload };
        writeInPieces(bench, message(packet), random);
        sent += 1;
        for (let i = random(3); i > 0; i--) swap(bench, random);
        if (!bench.path.engaged) bench.playHere();
        if (disturbed(bench, recorder)) break;
      }
      if (bench.path.engaged) bench.disengage();
      bench.playHere();
      playback.endOfStream();
      if (!disturbed(bench, recorder)) {
        await until(() => find(joined(recorder.heard), sound) >= 0 || disturbed(bench, recorder));
      }
      if (!disturbed(bench, recorder)) {
        expect(bench.played).toBe(packets.length);
        expect(bench.carried.length).toBeGreaterThan(50);
        expect(packets.length - bench.carried.length).toBeGreaterThan(50);
        expect(bench.history.newest).toEqual(decoded.slice(-2 * bench.history.frames));
        for (const { seq, mediaTime, captureTimeUs, payloadBytes, frames } of bench.carried) {
          const told = { mediaTime, captureTimeUs, payloadBytes, frames };
          const { length } = packets[seq]!;
          const wanted = { mediaTime: seq * packetFrames, captureTimeUs: seq, payloadBytes: length };
          expect(told).toEqual({ ...wanted, frames: packetFrames });
        }
        return;
      }
      await closeAll();
    }
    throw new Error('the machine stalled in each of 20 tries');
  });
});
