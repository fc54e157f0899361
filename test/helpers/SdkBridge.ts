import { type AudioPacket, type Direction, Listener, socketPath, Talker } from '@kvm-audio/client';

export type HeardPacket = Omit<AudioPacket, 'payload'>;

/** What a KVM server does, in this process: hears the input, talks to the output, counts. */
export class SdkBridge {
  /** All that the listener got, in order. */
  readonly packets: HeardPacket[] = [];
  /** How often each side was connected. */
  readonly connected: Record<Direction, number> = { output: 0, input: 0 };
  /** How often each side lost its connection, or could not be connected. */
  readonly disconnected: Record<Direction, number> = { output: 0, input: 0 };
  readonly #listener: Listener;
  readonly #talker: Talker;

  constructor(runtimeFolder: string) {
    const client = 'test bridge';
    this.#listener = new Listener({ path: socketPath(runtimeFolder, 'input'), client });
    this.#talker = new Talker({ path: socketPath(runtimeFolder, 'output'), client });
    const sides = [
      ['input', this.#listener],
      ['output', this.#talker],
    ] as const;
    for (const [direction, side] of sides) {
      side.on('connected', () => {
        this.connected[direction] += 1;
      });
      side.on('disconnected', () => {
        this.disconnected[direction] += 1;
      });
    }
    this.#listener.on('packet', (packet) => {
      const { payload: _, ...rest } = packet;
      this.packets.push(rest);
      this.#talker.send(packet);
    });
  }

  /** Packets that the listener's sequence numbers say it did not get. */
  get missed(): number {
    return this.packets
      .slice(1)
      .reduce((sum, { seq }, i) => sum + seq - this.packets[i]!.seq - 1, 0);
  }

  close(): void {
    this.#listener.close();
    this.#talker.close();
  }
}
