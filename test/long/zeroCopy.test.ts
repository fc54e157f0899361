import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { PoolStats } from '@kvm-audio/audio';
import { type Direction, directions } from '@kvm-audio/client';
import { pcmFormat, playOn } from '../helpers/PcmRecording.js';
import { inRepository } from '../helpers/repository.js';
import { SdkBridge } from '../helpers/SdkBridge.js';
import { musicSignal } from '../helpers/syntheticSignals.js';
import { TestDaemon } from '../helpers/TestDaemon.js';
import type { TestProcess } from '../helpers/TestProcess.js';
import { waitFor } from '../helpers/waitFor.js';

/** See test/helpers/memoryProbe.mjs. */
type Look = {
  heapBytes: number;
  arrayBufferBytes: number;
  collections: number;
  pools: Record<string, PoolStats>;
  /** Received until then. */
  frames: number;
};

/** V8 compiles meanwhile. */
const framesBefore = 3_000;
const framesWatched = 10_000;
/** Packets of some 100 bytes: too large to lie inside a Buffer object on V8's heap. */
const format = { quality: 'ultra', frameMs: 2.5 } as const;
const musicSeconds = 6;
/** Longer than all waits on a busy machine. */
const musicTimes = 30;
const startMs = 200_000;
/** A copy of each payload, let alone of each frame of PCM, would be 1 MB or more. */
const arrayBufferBytesMax = 256 * 1024;
/** Views, numbers, closures, the heartbeat: up to 490 and 1,522 were measured (Node 20.20). */
const heapBytesPerFrameMax = { input: 800, output: 2_500 } as const;

const folder = mkdtempSync(join(tmpdir(), 'kvma-probe-'));
let daemon: TestDaemon;
let bridge: SdkBridge;
let player: TestProcess;
const before = {} as Record<Direction, Look>;
const after = {} as Record<Direction, Look>;

/** Of the direction that has had fewer. */
async function framesReceived(): Promise<number> {
  const status = await daemon.status();
  return Math.min(...directions.map((each) => status[each].stream?.framesReceived ?? 0));
}

async function waitForFrames(count: number): Promise<void> {
  const wanted = (await framesReceived()) + count;
  const timeoutMs = 90_000;
  const isThere = async (): Promise<boolean> => {
    player.assertRunning();
    return (await framesReceived()) >= wanted;
  };
  await waitFor(`${count} frames of both`, isThere, timeoutMs);
}

async function look(direction: Direction): Promise<Look> {
  const file = join(folder, direction);
  const looks = (): string[] =>
    existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : [];
  const seen = looks().length;
  const { pid, stream } = (await daemon.status())[direction];
  process.kill(pid!, 'SIGUSR2');
  const line = await waitFor('look at its memory', () => looks()[seen]);
  return { ...JSON.parse(line), frames: stream!.framesReceived } as Look;
}

beforeAll(async () => {
  const probe = pathToFileURL(inRepository('test/helpers/memoryProbe.mjs'));
  daemon = await TestDaemon.start({
    config: { input: { profile: 'program', ...format }, output: format },
    env: { NODE_OPTIONS: `--import=${probe}`, KVM_AUDIO_PROBE_FOLDER: folder },
  });
  const music = join(daemon.folder, 'music.raw');
  const pcm = musicSignal(musicSeconds * pcmFormat.rate, 2);
  writeFileSync(music, Buffer.concat(Array(musicTimes).fill(Buffer.from(pcm.buffer))));
  player = playOn(daemon.inputCard, music);
  bridge = new SdkBridge(daemon.runtimeFolder);
  await waitForFrames(framesBefore);
  for (const direction of directions) before[direction] = await look(direction);
  await waitForFrames(framesWatched);
  for (const direction of directions) after[direction] = await look(direction);
}, startMs);

afterAll(async () => {
  bridge?.close();
  await player?.stop('SIGKILL');
  await daemon?.stop();
  rmSync(folder, { recursive: true });
});

/** Frames between both looks; a status is a second old. */
function frames(direction: Direction): number {
  return after[direction].frames - before[direction].frames;
}

describe.each(directions)('10,000 frames of the %s', (direction) => {
  test('take their slots from a pool that is never empty', () => {
    expect(frames(direction)).toBeGreaterThan(framesWatched / 2);
    // The fast path makes all of its packets in one.
    const { misses, peak, slots, inUse } = after[direction].pools['audio packets']!;
    expect(misses).toBe(0);
    expect(peak).toBeLessThanOrEqual(slots);
    expect(inUse).toBeLessThanOrEqual(peak);
  });

  test('allocate no audio buffer', () => {
    const { collections, arrayBufferBytes } = after[direction];
    expect(collections).toBe(before[direction].collections);
    expect(arrayBufferBytes - before[direction].arrayBufferBytes).toBeLessThan(arrayBufferBytesMax);
  });

  test('leave little on the heap', () => {
    const bytes = after[direction].heapBytes - before[direction].heapBytes;
    expect(bytes / frames(direction)).toBeLessThan(heapBytesPerFrameMax[direction]);
  });
});
