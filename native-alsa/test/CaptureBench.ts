import { closeSync } from 'node:fs';
import net from 'node:net';
import {
  type CaptureEngagement,
  type CarriedFrame,
  PcmCapture,
  type PcmOptions,
} from '../lib/alsa.js';
import type { AddonEncoder } from '../lib/opus.js';
import { socketPair, UnixSocket } from '../lib/sys.js';
import { musicEncoder } from './codecs.js';
import { usual } from './streams.js';
import { until } from './VirtualCard.js';
import { message, messagesOf, packetHeaderBytes } from './wire.js';

/** A client's socket, and what came out at its other end. */
export class Client {
  readonly socket: UnixSocket;
  /** Messages that the kernel has not taken, in order. */
  readonly waiting: Buffer[] = [];
  errors = 0;
  received: Buffer = Buffer.alloc(0);
  readonly #theirs: number;
  #peer: net.Socket | undefined;

  constructor(reads = true) {
    const [ours, theirs] = socketPair();
    this.#theirs = theirs;
    this.socket = new UnixSocket(ours, Buffer.alloc(64), {
      onReceived: () => 0,
      onRoom: () => this.flush(),
      onEnd: () => undefined,
      onError: () => {
        this.errors += 1;
      },
    });
    if (reads) this.read();
  }

  read(): void {
    this.#peer = new net.Socket({ fd: this.#theirs, readable: true, writable: true });
    this.#peer.on('error', () => undefined);
    this.#peer.on('data', (chunk) => {
      this.received = Buffer.concat([this.received, chunk]);
    });
  }

  /** Sends behind what waits; a message that was begun is finished. */
  send(bytes: Buffer): void {
    this.waiting.push(Buffer.from(bytes));
    this.flush();
  }

  flush(): void {
    for (let first = this.waiting[0]; first; first = this.waiting[0]) {
      const taken = this.socket.send(first, 0, first.length);
      if (taken < first.length) {
        this.waiting[0] = first.subarray(taken);
        this.socket.wantRoom();
        return;
      }
      this.waiting.shift();
    }
  }

  get messages(): Buffer[] {
    return messagesOf(this.received).messages;
  }

  /** The other end dies. */
  die(): void {
    if (this.#peer) this.#peer.destroy();
    else closeSync(this.#theirs);
  }

  close(): void {
    this.socket.close();
    if (this.#peer) this.#peer.destroy();
  }
}

export type HeardFrame = CarriedFrame & { carried: boolean };

/**
 * A card, an encoder and clients: what is captured goes to each client by the fast path while it
 * is engaged, and from here while it is not.
 */
export class CaptureBench {
  readonly capture: PcmCapture;
  readonly encoder: AddonEncoder = musicEncoder();
  readonly clients: Client[];
  readonly packet = Buffer.alloc(packetHeaderBytes + 4_096);
  /** All frames that were sent, in order. */
  readonly frames: HeardFrame[] = [];
  opened = false;
  error: Error | undefined;
  wakes = 0;
  seq = 0;
  mediaTime = 0;
  readonly #slotFrames: number;

  private constructor(device: string, options: Partial<PcmOptions>, clients: Client[]) {
    // A second of room, in the card and in the ring: no machine stalls for so long.
    const own = { slotFrames: 120, bufferFrames: 48_000, slotCount: 400 };
    const all = { ...usual, device, ...own, ...options };
    this.clients = clients;
    this.#slotFrames = all.slotFrames;
    this.capture = new PcmCapture(all, {
      opened: () => {
        this.opened = true;
      },
      wake: () => {
        this.wakes += 1;
      },
      failed: (error) => {
        this.error = error;
      },
    });
  }

  static async open(
    device: string,
    clients: Client[],
    options: Partial<PcmOptions> = {},
  ): Promise<CaptureBench> {
    const bench = new CaptureBench(device, options, clients);
    await until(() => bench.opened);
    return bench;
  }

  engage(changed: Partial<CaptureEngagement> = {}): boolean {
    return this.capture.fastPath.engage({
      encoder: this.encoder.role(),
      gates: this.clients.map(({ socket }) => socket.gate),
      packet: this.packet,
      slotFrames: this.#slotFrames,
      seq: this.seq,
      mediaTime: this.mediaTime,
      tellRows: 1_000,
      ...changed,
    });
  }

  /** @returns what was carried, and the first client that has not had the last packet. */
  disengage(): { frames: HeardFrame[]; unsentFrom: number } {
    if (!this.capture.fastPath.engaged) return { frames: [], unsentFrom: -1 };
    const { frames: count, unsentFrom } = this.capture.fastPath.disengage();
    const frames = Array.from({ length: count }, (_, i) => ({
      ...this.capture.fastPath.frame(i),
      carried: true,
    }));
    this.frames.push(...frames);
    this.seq = (this.seq + count) >>> 0;
    this.mediaTime += count * this.#slotFrames;
    return { frames, unsentFrom };
  }

  /** The packet that lies in the fast path's memory, to those who have not had it. */
  sendRest(unsentFrom: number): void {
    if (unsentFrom < 0) return;
    const bytes = this.packet.subarray(0, 4 + this.packet.readUInt32BE(0));
    for (const client of this.clients.slice(unsentFrom)) client.send(bytes);
  }

  /** Encodes and sends here what is in the ring. */
  sendHere(): void {
    for (let slot = this.capture.peek(); slot; slot = this.capture.peek()) {
      const room = this.packet.subarray(packetHeaderBytes);
      const bytes = this.encoder.encode(slot.pcm, slot.frames, room);
      const payload = Buffer.from(room.subarray(0, bytes));
      const packet = message({
        seq: this.seq,
        mediaTime: this.mediaTime,
        captureTimeUs: Math.round(slot.timeUs),
        flags: 0,
        payload,
      });
      for (const client of this.clients) client.send(packet);
      const { timeUs, lateUs, positionFrames } = slot;
      const times = { startUs: 0, encodedUs: 0, sentUs: 0 };
      const frame = { timeUs, lateUs, positionFrames, ...times, payloadBytes: bytes };
      this.frames.push({ ...frame, carried: false });
      this.seq = (this.seq + 1) >>> 0;
      this.mediaTime += slot.frames;
      this.capture.release();
    }
  }

  async close(): Promise<void> {
    await this.capture.close(2_000);
    this.encoder.close();
    for (const client of this.clients) client.close();
  }
}
