import { AlsaError, errnoName } from './AlsaError.js';
import { type AddonStream, type Layout, loadAddon } from './addon.js';
import { monotonicUs } from './clock.js';
import { limits } from './limits.js';
import type { Negotiated, PcmEvents, PcmOptions } from './options.js';
import { checkOptions } from './options.js';
import { StreamMemory } from './StreamMemory.js';

/** What both directions count. */
export type StreamCounters = {
  xruns: number;
  wakeups: number;
  pollRounds: number;
  pollTimeouts: number;
  lastProgressUs: number;
  inCallSinceUs: number;
  streaming: 0 | 1;
};

export type CloseResult = 'joined' | 'abandoned';

/**
 * What capture and playback have in common: the addon's stream, its events, and how it ends. The
 * device is opened, used and closed by the stream's own thread.
 */
export class DeviceStream {
  readonly options: Readonly<PcmOptions>;
  readonly memory: StreamMemory;
  readonly layout: Layout;
  readonly #events: PcmEvents;
  readonly #stream: AddonStream;
  #beforeEnd: () => void = () => undefined;
  #ended: CloseResult | undefined;
  #closing: Promise<CloseResult> | undefined;
  #whenEnded: ((result: CloseResult) => void) | undefined;

  constructor(capture: boolean, options: PcmOptions, events: PcmEvents) {
    checkOptions(options, capture);
    const addon = loadAddon();
    this.options = { ...options };
    this.layout = addon.layout;
    this.#events = events;
    const { cardRate = 0 } = options;
    this.#stream = new addon.Stream({ ...options, cardRate, capture }, (bits) => this.#tell(bits));
    this.memory = new StreamMemory(this.#stream.memory(), this.layout, options.slotCount);
  }

  /** close() has not been called. */
  get open(): boolean {
    return this.#closing === undefined;
  }

  /**
   * The addon's stream, for a fast path.
   *
   * @param beforeEnd is called before anything of it is given back.
   */
  lendTo(beforeEnd: () => void): AddonStream {
    this.#beforeEnd = beforeEnd;
    return this.#stream;
  }

  /** Has the device thread look at what is new for it. Asked again before it does, it costs nothing. */
  kick(): void {
    if (this.memory.exchange(this.layout.kick, 1) === 0) this.#stream.kick();
  }

  /** Fills in what both directions count. @returns all statistics, for what one of them does. */
  readCounters(counters: StreamCounters): Float64Array {
    const { memory, layout } = this;
    const statistics = memory.statistics();
    counters.xruns = statistics[layout.xruns]!;
    counters.wakeups = statistics[layout.wakeups]!;
    counters.pollRounds = statistics[layout.pollRounds]!;
    counters.pollTimeouts = statistics[layout.pollTimeouts]!;
    counters.lastProgressUs = statistics[layout.lastProgressUs]!;
    counters.inCallSinceUs = memory.inCallSinceUs(monotonicUs());
    counters.streaming = statistics[layout.streaming] === 1 ? 1 : 0;
    return statistics;
  }

  close(timeoutMs: number): Promise<CloseResult> {
    this.#closing ??= this.#shutDown(Math.min(Math.max(timeoutMs, 0), limits.closeTimeoutMsMax));
    return this.#closing;
  }

  #shutDown(timeoutMs: number): Promise<CloseResult> {
    if (this.#ended !== undefined) return Promise.resolve(this.#ended);
    this.#stream.stop();
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#finish(false), timeoutMs);
      this.#whenEnded = (result) => {
        clearTimeout(timer);
        resolve(result);
      };
    });
  }

  #finish(ended: boolean): void {
    if (this.#ended !== undefined) return;
    this.#beforeEnd();
    this.#ended = this.#stream.finish(ended) ? 'joined' : 'abandoned';
    this.#whenEnded?.(this.#ended);
  }

  #tell(bits: number): void {
    const { opened, wake, failed, ended } = this.layout;
    if ((bits & ended) !== 0) this.#finish(true);
    if (this.open && (bits & opened) !== 0) this.#events.opened(this.#negotiated());
    if (this.open && (bits & wake) !== 0) this.#events.wake();
    if (this.open && (bits & failed) !== 0) {
      this.#events.failed(new AlsaError(this.options.device, this.#stream.failure()));
    }
  }

  #negotiated(): Negotiated {
    const { priorityErrno, pitchMinPpm, pitchMaxPpm, ...granted } = this.#stream.negotiated();
    const negotiated: Negotiated = granted;
    if (pitchMinPpm < pitchMaxPpm) negotiated.pitchPpm = { min: pitchMinPpm, max: pitchMaxPpm };
    if (priorityErrno !== 0) {
      const refused = `SCHED_FIFO ${this.options.schedFifoPriority} was refused`;
      negotiated.priorityError = `${refused}: ${errnoName(priorityErrno)}`;
    }
    return negotiated;
  }
}
