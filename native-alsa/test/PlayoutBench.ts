import { closeSync, readSync, writeSync } from 'node:fs';
import {
  type CarriedPacket,
  type PcmOptions,
  type PlayoutEngagement,
  type PlayoutFastPath,
  Resampler,
} from '../lib/alsa.js';
import type { AddonDecoder } from '../lib/opus.js';
import { duplicateFd, socketPair } from '../lib/sys.js';
import { musicEncoder, stereoDecoder } from './codecs.js';
import { openPlayback, type Player } from './streams.js';
import { pattern, until } from './VirtualCard.js';
import { message, messagesOf, packetOf } from './wire.js';

export const packetFrames = 480;
/** Made up at a time. */
export const concealFrames = 240;

/** So many packets of a sound that nowhere repeats, of `frames` each. */
export function encoded(count: number, frames = packetFrames): Buffer[] {
  const encoder = musicEncoder();
  const pcm = pattern(count * frames);
  const out = Buffer.alloc(1_500);
  const packets = Array.from({ length: count }, (_, i) => {
    const bytes = encoder.encode(pcm.subarray(2 * i * frames), frames, out);
    return Buffer.from(out.subarray(0, bytes));
  });
  encoder.close();
  return packets;
}

/** What the card is to be given for `packets`, and so much made up behind them. */
export function soundOf(packets: readonly Uint8Array[], ppm?: number, concealed = 0): Int16Array {
  const decoder = stereoDecoder();
  const resampler = new Resampler({ channels: 2, inputRate: 48_000, outputRate: 48_000 });
  if (ppm !== undefined) resampler.setRatio(ppm);
  const pcm = new Int16Array(2 * 5_760);
  const out = new Int16Array(2 * 5_760);
  const sound: number[] = [];
  const give = (frames: number): void => {
    const made = ppm === undefined ? frames : resampler.process(pcm, frames, out).produced;
    sound.push(...(ppm === undefined ? pcm : out).subarray(0, 2 * made));
  };
  for (const packet of packets) give(decoder.decode(packet, pcm));
  for (let i = 0; i < concealed; i++) give(decoder.conceal(concealFrames, pcm));
  decoder.close();
  resampler.close();
  return Int16Array.from(sound);
}

/** What was given out last, as the player keeps it. */
export class History {
  readonly frames = 1_000;
  readonly pcm = new Int16Array(2 * (this.frames + 2 * 2_880));
  end = this.frames;

  remember(pcm: Int16Array, frames: number): void {
    if (this.end + frames > this.pcm.length / 2 - 2_880) {
      this.pcm.copyWithin(0, 2 * (this.end - this.frames), 2 * this.end);
      this.end = this.frames;
    }
    this.pcm.set(pcm.subarray(0, 2 * frames), 2 * this.end);
    this.end += frames;
  }

  get newest(): Int16Array {
    return this.pcm.slice(2 * (this.end - this.frames), 2 * this.end);
  }
}

export type Carried = CarriedPacket[];

/**
 * A source's socket, a decoder and a card: what is written at the source's end is played by the
 * fast path while it is engaged, and here, one after another, while it is not.
 */
export class PlayoutBench {
  readonly player: Player;
  readonly path: PlayoutFastPath;
  readonly history = new History();
  readonly decoder: AddonDecoder = stereoDecoder();
  readonly resampler: Resampler | undefined;
  /** All that was carried so far. */
  readonly carried: Carried = [];
  /** What was handed over, or read here, and is no whole packet. */
  rest: Buffer = Buffer.alloc(0);
  played = 0;
  nextSeq = 0;
  playTime = 0;
  readonly #ours: number;
  readonly #theirs: number;
  #written: Buffer = Buffer.alloc(0);
  #closed = false;
  readonly #pcm = new Int16Array(2 * 5_760);

  private constructor(player: Player, ppm: number | undefined) {
    this.player = player;
    [this.#ours, this.#theirs] = socketPair();
    this.path = player.playback.makeFastPath(this.history.pcm, this.history.frames);
    if (ppm === undefined) return;
    this.resampler = new Resampler({ channels: 2, inputRate: 48_000, outputRate: 48_000 });
    this.resampler.setRatio(ppm);
  }

  static async open(
    device: string,
    options: Partial<PcmOptions> = {},
    ppm?: number,
  ): Promise<PlayoutBench> {
    const player = await openPlayback(device, { startSilenceFrames: 2_400, ...options });
    return new PlayoutBench(player, ppm);
  }

  /** The source writes. */
  write(bytes: Uint8Array): void {
    writeSync(this.#theirs, bytes);
    this.#written = Buffer.concat([this.#written, bytes]);
  }

  /** The source ends. */
  endSource(): void {
    closeSync(this.#theirs);
    this.#closed = true;
  }

  /** What the source gets wakes it: unread, it makes an error of the source's end. */
  answer(bytes: Uint8Array): void {
    writeSync(this.#ours, bytes);
  }

  engage(changed: Partial<PlayoutEngagement> = {}): boolean {
    return this.path.engage(duplicateFd(this.#ours), {
      decoder: this.decoder.role(),
      resampler: this.resampler?.role,
      historyEnd: this.history.end,
      nextSeq: this.nextSeq,
      playTime: this.playTime,
      marginFramesMax: 480_000,
      scarceFrames: 0,
      concealFrames,
      concealFramesMax: 0,
      silenceFrames: this.player.playback.counters().silenceFrames,
      // A card that has just started has not been seen to move yet.
      standstillUs: Number.MAX_SAFE_INTEGER,
      tellAtUs: Number.MAX_SAFE_INTEGER,
      ...changed,
    });
  }

  /** @returns what was carried since engage(), or harvest(). */
  disengage(): Carried {
    const carried = this.#noteCarried(this.path.disengage());
    this.history.end = this.path.historyEnd;
    this.rest = this.path.takeRest();
    this.#forget(this.rest.length);
    return carried;
  }

  /** @returns the same, while the thread goes on; undefined where it does not. */
  harvest(tellAtUs = Number.MAX_SAFE_INTEGER): Carried | undefined {
    const count = this.path.harvest(tellAtUs);
    return count === undefined ? undefined : this.#noteCarried(count);
  }

  #noteCarried(count: number): Carried {
    const carried = Array.from({ length: count }, (_, i) => ({ ...this.path.packet(i) }));
    this.carried.push(...carried);
    this.played += count;
    for (const { seq, mediaTime, frames, concealed } of carried) {
      if (concealed) {
        this.playTime += frames;
        continue;
      }
      this.nextSeq = (seq + 1) >>> 0;
      this.playTime = mediaTime + frames;
      this.#forget(4 + this.#written.readUInt32BE(0));
    }
    return carried;
  }

  #forget(bytes: number): void {
    this.#written = this.#written.subarray(bytes);
  }

  /** Plays here what was left and what came, to the last whole packet. */
  playHere(): void {
    const more = this.#written.length;
    const bytes = Buffer.alloc(this.rest.length + more);
    this.rest.copy(bytes);
    for (let at = this.rest.length; at < bytes.length; ) {
      at += readSync(this.#ours, bytes, at, bytes.length - at, null);
    }
    this.#forget(more);
    const { messages, rest } = messagesOf(bytes);
    for (const each of messages) this.#play(packetOf(each).payload);
    this.rest = rest;
  }

  #play(payload: Uint8Array): void {
    const slot = this.player.playback.acquire();
    if (!slot) throw new Error('the ring is full');
    const frames = this.decoder.decode(payload, this.#pcm);
    this.history.remember(this.#pcm, frames);
    slot.offsetFrames = 0;
    if (this.resampler) {
      slot.frames = this.resampler.process(this.#pcm, frames, slot.pcm).produced;
    } else {
      slot.pcm.set(this.#pcm.subarray(0, 2 * frames));
      slot.frames = frames;
    }
    this.player.playback.commit(slot);
    this.played += 1;
    this.nextSeq = (this.nextSeq + 1) >>> 0;
    this.playTime += frames;
  }

  /** Packet `payload` as the next in order. */
  next(payload: Uint8Array, captureTimeUs: number | undefined = 1_000_000): Buffer {
    return message({
      seq: this.nextSeq,
      mediaTime: this.playTime,
      captureTimeUs,
      flags: 0,
      payload,
    });
  }

  /** Plays `packets` here, so that the card plays, or has played. */
  async start(packets: readonly Uint8Array[]): Promise<void> {
    for (const payload of packets) {
      this.write(this.next(payload));
      this.playHere();
    }
    await until(() => this.player.playback.counters().framesPlayed > 0);
  }

  /** Waits until the card has been given so many packets, those of the start among them. */
  async untilCarried(packets: number): Promise<void> {
    await until(() => this.player.playback.counters().framesPlayed >= packets * packetFrames);
  }

  close(): void {
    this.decoder.close();
    this.resampler?.close();
    closeSync(this.#ours);
    if (!this.#closed) closeSync(this.#theirs);
  }
}
