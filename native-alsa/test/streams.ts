import {
  type AlsaError,
  type Negotiated,
  PcmCapture,
  type PcmOptions,
  PcmPlayback,
} from '../lib/alsa.js';
import { until } from './VirtualCard.js';

/** 48 kHz stereo, 5 ms periods; tests change what they are about. */
export const usual: Omit<PcmOptions, 'device'> = {
  rate: 48_000,
  channels: 2,
  periodFrames: 240,
  bufferFrames: 9_600,
  slotFrames: 480,
  slotFramesMax: 2_880,
  slotCount: 16,
  schedFifoPriority: 0,
  guardFrames: 240,
  lowWaterFrames: 0,
  startSilenceFrames: 480,
};

/** A recorder's own: most of a second of room, in the card and in the ring. */
const recorded = { bufferFrames: 48_000, slotCount: 64 };

type Told = {
  negotiated: Negotiated | undefined;
  error: AlsaError | undefined;
  wakes: number;
};

export type HeardSlot = {
  pcm: Int16Array;
  frames: number;
  timeUs: number;
  positionFrames: number;
  discontinuity: boolean;
};

export type Recorder = Told & { capture: PcmCapture; heard: HeardSlot[]; channels: number };
export type Player = Told & { playback: PcmPlayback };

const opened: (PcmCapture | PcmPlayback)[] = [];

/** For afterEach: closes whatever a test left open. */
export async function closeAll(): Promise<void> {
  await Promise.all(opened.splice(0).map((stream) => stream.close(2_000)));
}

/** Opens without waiting. `read` = take each slot as soon as it is told of. */
export function startCapture(device: string, options: Partial<PcmOptions>, read = true): Recorder {
  const told: Told = { negotiated: undefined, error: undefined, wakes: 0 };
  const heard: HeardSlot[] = [];
  const capture = new PcmCapture(
    { ...usual, ...recorded, device, ...options },
    {
      opened: (negotiated) => {
        recorder.negotiated = negotiated;
      },
      wake: () => {
        recorder.wakes++;
        if (read) takeSlots(recorder);
      },
      failed: (error) => {
        recorder.error = error;
      },
    },
  );
  opened.push(capture);
  const { channels } = { ...usual, ...options };
  const recorder: Recorder = Object.assign(told, { capture, heard, channels });
  return recorder;
}

export function takeSlots({ capture, heard, channels }: Recorder): void {
  for (let slot = capture.peek(); slot !== undefined; slot = capture.peek()) {
    heard.push({ ...slot, pcm: slot.pcm.slice(0, channels * slot.frames) });
    capture.release();
  }
}

export async function openCapture(
  device: string,
  options: Partial<PcmOptions> = {},
  read = true,
): Promise<Recorder> {
  const recorder = startCapture(device, options, read);
  await until(() => recorder.negotiated !== undefined || recorder.error !== undefined);
  if (recorder.error !== undefined) throw recorder.error;
  return recorder;
}

export function startPlayback(
  device: string,
  options: Partial<PcmOptions> = {},
  onWake: () => void = () => {},
): Player {
  const told: Told = { negotiated: undefined, error: undefined, wakes: 0 };
  const playback = new PcmPlayback(
    { ...usual, device, ...options },
    {
      opened: (negotiated) => {
        player.negotiated = negotiated;
      },
      wake: () => {
        player.wakes++;
        onWake();
      },
      failed: (error) => {
        player.error = error;
      },
    },
  );
  opened.push(playback);
  const player: Player = Object.assign(told, { playback });
  return player;
}

export async function openPlayback(
  device: string,
  options: Partial<PcmOptions> = {},
  onWake?: () => void,
): Promise<Player> {
  const player = startPlayback(device, options, onWake);
  await until(() => player.negotiated !== undefined || player.error !== undefined);
  if (player.error !== undefined) throw player.error;
  return player;
}

/** Commits all of `pcm`, slot by slot, waiting where the ring is full. */
export async function playAll(
  { playback }: Player,
  pcm: Int16Array,
  slot = 480,
  channels = 2,
): Promise<void> {
  for (let at = 0; at < pcm.length; at += channels * slot) {
    await until(() => playback.acquire() !== undefined);
    commit(playback, pcm.subarray(at, at + channels * slot), channels);
  }
}

export function commit(playback: PcmPlayback, pcm: Int16Array, channels = 2): void {
  const slot = playback.acquire();
  if (slot === undefined) throw new Error('the ring is full');
  slot.pcm.set(pcm);
  slot.offsetFrames = 0;
  slot.frames = pcm.length / channels;
  playback.commit(slot);
}

/** Where `needle` begins in `hay` (both stereo), in frames; -1 = nowhere. */
export function find(hay: Int16Array, needle: Int16Array, from = 0): number {
  for (let at = 2 * from; at + needle.length <= hay.length; at += 2) {
    if (hay[at] === needle[0] && needle.every((value, i) => hay[at + i] === value)) return at / 2;
  }
  return -1;
}

/** All that was heard, in one piece. */
export function joined(heard: readonly HeardSlot[]): Int16Array {
  const all = new Int16Array(heard.reduce((sum, { pcm }) => sum + pcm.length, 0));
  let at = 0;
  for (const { pcm } of heard) {
    all.set(pcm, at);
    at += pcm.length;
  }
  return all;
}
