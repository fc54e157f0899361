import { exitCodes, FatalError } from './exitCodes.js';
import { FolderWatch } from './FolderWatch.js';
import { priorityHint, withDeviceHint } from './hints.js';
import type { Log } from './LogRecord.js';

/** What a device tells while it is open; see the alsa addon. */
export type DeviceEvents<Negotiated> = {
  opened(negotiated: Negotiated): void;
  wake(): void;
  failed(error: DeviceFailure): void;
};

export type DeviceFailure = Error & {
  code: string;
  errnoName: string;
  /** what ALSA says of it */
  detail: string;
  deviceGone: boolean;
  retryable: boolean;
};

export interface ClosableDevice {
  close(timeoutMs: number): Promise<'joined' | 'abandoned'>;
}

/** What a device says of itself that concerns its keeping. */
export type Granted = {
  /** why its thread has no real-time priority */
  priorityError?: string;
};

export interface DeviceOwner<Device, Negotiated> {
  onOpened(device: Device, negotiated: Negotiated): void;
  onWake(device: Device): void;
  /** `device` is about to be closed, lost or not: the last look at its counters. */
  onClosing(device: Device): void;
}

export type DeviceOptions = {
  /** The key of the configuration that names the device, and its value: for errors. */
  key: string;
  device: string;
  direction: 'capture' | 'playback';
  /** Folders where a change may mean that the device has come. */
  watchFolders: readonly string[];
  log: Log;
  /** ALSA knows no device of that name, so that trying again is of no use. */
  fatal(error: FatalError): void;
};

/** How often a lost device is tried: briskly after it was lost or something changed, then for ever. */
const retry = { fastMs: 100, fastForMs: 30_000, slowMs: 1_000 };
/** One that fails sooner than this after it was opened is in the same trouble still. */
const steadyMs = 1_000;
/** An opening that takes longer is told: some cards take a second. */
const slowOpeningMs = 3_000;
/** A device thread that hangs in the kernel is left behind after this. */
const closeTimeoutMs = 500;

/**
 * Keeps one device open: opens it, and opens it again after it was lost, at once where a change in
 * a watched folder says that it may be there, else by trying. At most one device of it is open or
 * being opened at a time; a failed one is closed before the next try.
 */
export class DeviceKeeper<Device extends ClosableDevice, Negotiated extends Granted> {
  readonly #open: (events: DeviceEvents<Negotiated>) => Device;
  readonly #owner: DeviceOwner<Device, Negotiated>;
  readonly #options: DeviceOptions;
  #wanted = false;
  #device: Device | undefined;
  #opened = false;
  /** It is being opened as its owner wanted it before. */
  #outdated = false;
  #negotiated: Negotiated | undefined;
  #openingAtMs = 0;
  #openedAtMs = 0;
  #openingTimer: NodeJS.Timeout | undefined;
  #closing: Promise<unknown> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  #watch: FolderWatch | undefined;
  /** Since when it is tried briskly. */
  #briskSinceMs: number | undefined;
  #lostReason: string | null = null;
  /** What the log has of it, since it was last open for a while. */
  #loggedTrouble: string | undefined;
  /** It failed as soon as it was open: that it is open again is no news. */
  #wasBrief = false;
  #hasWarned = false;

  constructor(
    open: (events: DeviceEvents<Negotiated>) => Device,
    owner: DeviceOwner<Device, Negotiated>,
    options: DeviceOptions,
  ) {
    this.#open = open;
    this.#owner = owner;
    this.#options = options;
  }

  /** The device, while it is open. */
  get device(): Device | undefined {
    return this.#opened ? this.#device : undefined;
  }

  /** What was negotiated with it, while it is open. */
  get negotiated(): Negotiated | undefined {
    return this.#opened ? this.#negotiated : undefined;
  }

  /** Why the last try failed, or the device was lost; null once it is open. */
  get lostReason(): string | null {
    return this.#lostReason;
  }

  /** For how long it has been waited for an answer to opening the device, 0 = it is not. */
  get openingMs(): number {
    return this.#device && !this.#opened ? performance.now() - this.#openingAtMs : 0;
  }

  /** Wants the device open from now on. Idempotent. */
  start(): void {
    if (this.#wanted) return;
    this.#wanted = true;
    void this.#closing.then(() => this.#tryOpen());
  }

  /**
   * Closes it and opens it anew, as its owner wants it now; where it is being opened, after that.
   * Does nothing while there is none.
   */
  reopen(): void {
    this.#outdated = this.#device !== undefined && !this.#opened;
    if (!this.#opened) return;
    this.#closeDevice();
    void this.#closing.then(() => this.#tryOpen());
  }

  /** Closes it. Idempotent; resolves when the device's thread has ended or was left behind. */
  async stop(): Promise<void> {
    this.#wanted = false;
    this.#stopTrying();
    this.#closeDevice();
    await this.#closing;
  }

  /** Once: it will not be granted to the next thread either. */
  #warnOf({ priorityError: reason }: Granted): void {
    if (reason === undefined || this.#hasWarned) return;
    this.#hasWarned = true;
    this.#options.log.warn(
      { reason, hint: priorityHint },
      'no real-time priority: sound has gaps when the CPU is busy',
    );
  }

  #tellOfOpening(negotiated: Negotiated): void {
    const { device, direction, log } = this.#options;
    log[this.#wasBrief ? 'debug' : 'info']({ ...negotiated, device }, `${direction} device opened`);
  }

  #warnOfSlowOpening(): void {
    const { device, log } = this.#options;
    log.warn(
      { device, afterMs: slowOpeningMs },
      'the card does not open: its driver has not answered',
    );
  }

  #tryOpen(): void {
    if (!this.#wanted || this.#device) return;
    this.#openingAtMs = performance.now();
    this.#openingTimer = setTimeout(() => this.#warnOfSlowOpening(), slowOpeningMs).unref();
    this.#outdated = false;
    const device = this.#open({
      opened: (negotiated) => {
        if (this.#device !== device) return;
        clearTimeout(this.#openingTimer);
        this.#opened = true;
        this.#openedAtMs = performance.now();
        this.#negotiated = negotiated;
        this.#lostReason = null;
        this.#stopTrying();
        this.#tellOfOpening(negotiated);
        this.#warnOf(negotiated);
        this.#owner.onOpened(device, negotiated);
        if (this.#outdated) this.reopen();
      },
      wake: () => {
        if (this.#device === device) this.#owner.onWake(device);
      },
      failed: (error) => {
        if (this.#device === device) this.#onFailed(error);
      },
    });
    this.#device = device;
  }

  #onFailed(error: DeviceFailure): void {
    const nowMs = performance.now();
    this.#wasBrief = this.#opened && nowMs - this.#openedAtMs < steadyMs;
    if (this.#opened && !this.#wasBrief) {
      this.#briskSinceMs = undefined;
      this.#loggedTrouble = undefined;
    }
    this.#briskSinceMs ??= nowMs;
    const fast = nowMs - this.#briskSinceMs < retry.fastForMs;
    this.#closeDevice();
    const { key, device, log, fatal } = this.#options;
    if (error.code === 'ALSA_UNKNOWN_PCM') {
      const text = `${key} = "${device}": ALSA knows no such PCM (${error.detail})`;
      fatal(new FatalError(exitCodes.unknownDevice, text));
      return;
    }
    // A device that is tried again and again is one line in the log for each reason; that it has
    // gone, and that it is not there then, are one.
    const reason = withDeviceHint(error.message, error.errnoName);
    const trouble = error.deviceGone ? error.code : reason;
    if (this.#loggedTrouble !== trouble) log.warn({ code: error.code }, reason);
    this.#loggedTrouble = trouble;
    this.#lostReason = reason;
    if (!this.#wanted) return;
    this.#watch ??= new FolderWatch(this.#options.watchFolders, () => this.#onChange());
    this.#tryAgain(fast ? retry.fastMs : retry.slowMs);
  }

  /** It may be there, or will be in a moment: a new device node is not ours to open at once. */
  #onChange(): void {
    this.#briskSinceMs = performance.now();
    if (!this.#device) this.#tryAgain(0);
  }

  #tryAgain(afterMs: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#closing.then(() => this.#tryOpen()), afterMs);
  }

  #stopTrying(): void {
    clearTimeout(this.#timer);
    this.#watch?.close();
    this.#watch = undefined;
  }

  #closeDevice(): void {
    const device = this.#device;
    if (!device) return;
    clearTimeout(this.#openingTimer);
    this.#device = undefined;
    this.#opened = false;
    this.#owner.onClosing(device);
    this.#closing = device.close(closeTimeoutMs).then((how) => {
      if (how === 'joined') return;
      this.#options.log.warn('the device thread hangs and was left behind');
    });
  }
}
