import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '../../../test/helpers/until.js';
import {
  type DeviceEvents,
  type DeviceFailure,
  DeviceKeeper,
  type Granted,
} from './DeviceKeeper.js';
import { exitCodes, FatalError } from './exitCodes.js';
import { createLog } from './log.js';

type Negotiated = Granted & { rate: number };

class FakeDevice {
  readonly events: DeviceEvents<Negotiated>;
  closed = false;
  #joined: (how: 'joined' | 'abandoned') => void = () => undefined;

  constructor(events: DeviceEvents<Negotiated>) {
    this.events = events;
  }

  close(): Promise<'joined' | 'abandoned'> {
    this.closed = true;
    return new Promise((resolve) => {
      this.#joined = resolve;
    });
  }

  /** Its thread has ended. */
  join(how: 'joined' | 'abandoned' = 'joined'): void {
    this.#joined(how);
  }
}

function failure(code: string, message: string, errnoName = 'ENODEV'): DeviceFailure {
  return Object.assign(new Error(message), {
    code,
    errnoName,
    detail: message,
    deviceGone: code === 'ALSA_DEVICE_GONE',
    retryable: true,
  });
}

const gone = failure('ALSA_DEVICE_GONE', 'no such device');

function bench(watchFolders: string[] = []) {
  const devices: FakeDevice[] = [];
  const lines: string[] = [];
  /** Beside the lines about trouble. */
  const openings: string[] = [];
  const owner = { onOpened: jest.fn(), onWake: jest.fn(), onClosing: jest.fn() };
  const fatal = jest.fn();
  const keeper = new DeviceKeeper<FakeDevice, Negotiated>(
    (events) => {
      const device = new FakeDevice(events);
      devices.push(device);
      return device;
    },
    owner,
    {
      key: 'input.device',
      direction: 'capture',
      device: 'card',
      watchFolders,
      log: createLog('test', 'info', (line) =>
        (line.includes('device opened') ? openings : lines).push(line),
      ),
      fatal,
    },
  );
  return { keeper, devices, lines, openings, owner, fatal };
}

/** Runs what promises have ready. */
async function settle(): Promise<void> {
  for (let i = 0; i < 10; i++) await Promise.resolve();
}

/** Fails each try, for so long of fake time. @returns how many there were. */
async function failFor(devices: FakeDevice[], durationMs: number, stepMs = 100): Promise<number> {
  const before = devices.length;
  for (let passed = 0; passed < durationMs; passed += stepMs) {
    const device = devices.at(-1);
    if (device && !device.closed) {
      device.events.failed(gone);
      device.join();
    }
    await jest.advanceTimersByTimeAsync(stepMs);
  }
  return devices.length - before;
}

beforeEach(() => {
  // What a watch sees comes by the event loop, in real time.
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'hrtime'] });
});
afterEach(() => {
  jest.useRealTimers();
});

describe('a device keeper', () => {
  test('says for how long an opening has had no answer', async () => {
    const { keeper, devices } = bench();
    expect(keeper.openingMs).toBe(0);
    keeper.start();
    await settle();
    jest.advanceTimersByTime(2_000);
    expect(keeper.openingMs).toBe(2_000);
    devices[0]?.events.opened({ rate: 48_000 });
    expect(keeper.openingMs).toBe(0);
  });

  test('warns once of an opening that gets no answer, and of none that did', async () => {
    const { keeper, devices, lines } = bench();
    keeper.start();
    await settle();
    jest.advanceTimersByTime(2_999);
    expect(lines).toEqual([]);
    jest.advanceTimersByTime(10_000);
    expect(lines.map((line) => JSON.parse(line).msg)).toEqual([
      'the card does not open: its driver has not answered',
    ]);
    devices[0]?.events.opened({ rate: 48_000 });
    keeper.reopen();
    devices[0]?.join();
    await settle();
    devices[1]?.events.opened({ rate: 48_000 });
    jest.advanceTimersByTime(10_000);
    expect(lines).toHaveLength(1);
  });

  test('opens one device, and tells when it is open', async () => {
    const { keeper, devices, owner } = bench();
    keeper.start();
    keeper.start();
    await settle();
    expect(devices).toHaveLength(1);
    expect(keeper.device).toBeUndefined();
    devices[0]?.events.opened({ rate: 48_000 });
    expect(keeper.device).toBe(devices[0]);
    expect(keeper.negotiated).toEqual({ rate: 48_000 });
    expect(owner.onOpened).toHaveBeenCalledWith(devices[0], { rate: 48_000 });
    devices[0]?.events.wake();
    expect(owner.onWake).toHaveBeenCalledTimes(1);
  });

  test('closes a lost device, and opens another 100 ms later, once the first has ended', async () => {
    const { keeper, devices, owner } = bench();
    keeper.start();
    await settle();
    devices[0]?.events.opened({ rate: 48_000 });
    devices[0]?.events.failed(gone);
    expect(keeper.device).toBeUndefined();
    expect(keeper.negotiated).toBeUndefined();
    expect(devices[0]?.closed).toBe(true);
    expect(owner.onClosing).toHaveBeenCalledWith(devices[0]);
    expect(keeper.lostReason).toBe('no such device');
    await jest.advanceTimersByTimeAsync(500);
    expect(devices).toHaveLength(1);
    devices[0]?.join();
    await settle();
    expect(devices).toHaveLength(2);
  });

  test('tries ten times a second for half a minute, then once a second, for ever', async () => {
    const { keeper, devices } = bench();
    keeper.start();
    await settle();
    expect(await failFor(devices, 29_000)).toBe(290);
    await failFor(devices, 2_000);
    expect(await failFor(devices, 600_000)).toBe(600);
    expect(await failFor(devices, 60_000)).toBe(60);
  });

  test('tries at once when something changes where sound cards appear, however long it was gone', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'kvma-'));
    const { keeper, devices } = bench([folder]);
    try {
      keeper.start();
      await settle();
      await failFor(devices, 61_000);
      const timers = jest.getTimerCount();
      writeFileSync(join(folder, 'pcmC0D0p'), '');
      await until(() => jest.getTimerCount() > timers, 'the change that is seen');
      expect(await failFor(devices, 50, 5)).toBe(1);
      // The card may not be ours to open yet.
      expect(await failFor(devices, 29_000)).toBe(290);
    } finally {
      const stopped = keeper.stop();
      devices.at(-1)?.join();
      await stopped;
      rmSync(folder, { recursive: true, force: true });
    }
  });

  test('tries briskly again after it was open in between', async () => {
    const { keeper, devices } = bench();
    keeper.start();
    await settle();
    devices[0]?.events.failed(gone);
    devices[0]?.join();
    await jest.advanceTimersByTimeAsync(100);
    await jest.advanceTimersByTimeAsync(60_000);
    devices[1]?.events.opened({ rate: 48_000 });
    await jest.advanceTimersByTimeAsync(1_000);
    devices[1]?.events.failed(gone);
    devices[1]?.join();
    await jest.advanceTimersByTimeAsync(100);
    expect(devices).toHaveLength(3);
  });

  test('tries once a second, and says so once, where it fails as soon as it is open', async () => {
    const { keeper, devices, lines, openings } = bench();
    keeper.start();
    await settle();
    async function openAndFail(afterMs: number): Promise<void> {
      devices.at(-1)?.events.opened({ rate: 48_000 });
      devices.at(-1)?.events.failed(failure('ALSA_IO', 'no clock', 'ETIME'));
      devices.at(-1)?.join();
      await jest.advanceTimersByTimeAsync(afterMs);
    }
    for (let i = 0; i < 300; i++) await openAndFail(100);
    expect(devices).toHaveLength(301);
    await openAndFail(999);
    expect(devices).toHaveLength(301);
    await jest.advanceTimersByTimeAsync(1);
    expect(devices).toHaveLength(302);
    expect(lines.filter((line) => line.includes('no clock'))).toHaveLength(1);
    expect(openings).toHaveLength(1);
  });

  test('hears nothing of a device that it has given up', async () => {
    const { keeper, devices, owner } = bench();
    keeper.start();
    await settle();
    const first = devices[0];
    first?.events.failed(gone);
    first?.events.opened({ rate: 1 });
    first?.events.wake();
    first?.events.failed(gone);
    expect(owner.onOpened).not.toHaveBeenCalled();
    expect(owner.onWake).not.toHaveBeenCalled();
    expect(owner.onClosing).toHaveBeenCalledTimes(1);
  });

  test('reopens: closes the device, and opens another when its thread has ended', async () => {
    const { keeper, devices, owner } = bench();
    keeper.reopen();
    keeper.start();
    await settle();
    devices[0]?.events.opened({ rate: 48_000 });
    expect(devices[0]?.closed).toBe(false);
    keeper.reopen();
    keeper.reopen();
    expect(keeper.device).toBeUndefined();
    expect(devices[0]?.closed).toBe(true);
    expect(owner.onClosing).toHaveBeenCalledTimes(1);
    devices[0]?.events.failed(gone);
    await settle();
    expect(devices).toHaveLength(1);
    devices[0]?.join();
    await settle();
    expect(devices).toHaveLength(2);
    expect(keeper.lostReason).toBeNull();
    devices[1]?.events.opened({ rate: 44_100 });
    expect(owner.onOpened).toHaveBeenLastCalledWith(devices[1], { rate: 44_100 });
  });

  test('reopens what is being opened, once it is open: it is as its owner wanted it before', async () => {
    const { keeper, devices, owner } = bench();
    keeper.start();
    await settle();
    keeper.reopen();
    expect(devices[0]?.closed).toBe(false);
    devices[0]?.events.opened({ rate: 48_000 });
    expect(owner.onOpened).toHaveBeenCalledTimes(1);
    expect(owner.onClosing).toHaveBeenCalledTimes(1);
    devices[0]?.join();
    await settle();
    devices[1]?.events.opened({ rate: 48_000 });
    expect(devices).toHaveLength(2);
    expect(devices[1]?.closed).toBe(false);
  });

  test('warns once where its thread was refused a real-time priority', async () => {
    const { keeper, devices, lines } = bench();
    const priorityError = 'SCHED_FIFO 5 was refused: EPERM';
    keeper.start();
    await settle();
    devices[0]?.events.opened({ rate: 48_000, priorityError });
    keeper.reopen();
    devices[0]?.join();
    await settle();
    devices[1]?.events.opened({ rate: 48_000, priorityError });
    expect(lines.filter((line) => line.includes('priority'))).toEqual([
      expect.stringMatching(/SCHED_FIFO 5 was refused: EPERM.*"hint":".*realtime.fifoPriority = 0/),
    ]);
  });

  test('reopened and stopped opens none', async () => {
    const { keeper, devices } = bench();
    keeper.start();
    await settle();
    devices[0]?.events.opened({ rate: 48_000 });
    keeper.reopen();
    void keeper.stop();
    devices[0]?.join();
    await jest.advanceTimersByTimeAsync(60_000);
    expect(devices).toHaveLength(1);
  });

  test('stops: closes the device, waits for its end, tries nothing more', async () => {
    const { keeper, devices } = bench();
    keeper.start();
    await settle();
    devices[0]?.events.opened({ rate: 48_000 });
    let stopped = false;
    void keeper.stop().then(() => {
      stopped = true;
    });
    await settle();
    expect(devices[0]?.closed).toBe(true);
    expect(stopped).toBe(false);
    devices[0]?.join();
    await settle();
    expect(stopped).toBe(true);
    await jest.advanceTimersByTimeAsync(60_000);
    expect(devices).toHaveLength(1);
    await keeper.stop();
  });

  test('stops while it waits for the next try', async () => {
    const { keeper, devices } = bench();
    keeper.start();
    await settle();
    devices[0]?.events.failed(gone);
    devices[0]?.join();
    await keeper.stop();
    await jest.advanceTimersByTimeAsync(60_000);
    expect(devices).toHaveLength(1);
  });

  test('started again while the old device is still closing opens one, after its end', async () => {
    const { keeper, devices } = bench();
    keeper.start();
    await settle();
    devices[0]?.events.opened({ rate: 48_000 });
    void keeper.stop();
    keeper.start();
    await settle();
    expect(devices).toHaveLength(1);
    devices[0]?.join();
    await settle();
    expect(devices).toHaveLength(2);
  });

  test('stopped and started while it waits for the next try opens one', async () => {
    const { keeper, devices } = bench();
    keeper.start();
    await settle();
    devices[0]?.events.failed(gone);
    devices[0]?.join();
    void keeper.stop();
    keeper.start();
    await jest.advanceTimersByTimeAsync(1_000);
    expect(devices).toHaveLength(2);
  });

  test('logs a reason once, however often it is tried, and again after it was open', async () => {
    const { keeper, devices, lines } = bench();
    keeper.start();
    await settle();
    async function fail(error: DeviceFailure): Promise<void> {
      devices.at(-1)?.events.failed(error);
      devices.at(-1)?.join();
      await jest.advanceTimersByTimeAsync(100);
    }
    await fail(gone);
    await fail(gone);
    expect(lines.filter((line) => line.includes('no such device'))).toHaveLength(1);
    await fail(failure('ALSA_OPEN_FAILED', 'busy', 'EBUSY'));
    expect(keeper.lostReason).toMatch(/^busy; .*fuser/);
    expect(lines.at(-1)).toContain(keeper.lostReason);
    await fail(failure('ALSA_OPEN_FAILED', 'refused', 'EACCES'));
    expect(keeper.lostReason).toMatch(/^refused; .*group/);
    devices.at(-1)?.events.opened({ rate: 48_000 });
    expect(keeper.lostReason).toBeNull();
    await jest.advanceTimersByTimeAsync(1_000);
    await fail(gone);
    expect(lines.filter((line) => line.includes('no such device'))).toHaveLength(2);
  });

  test('logs one line for a card that goes, and is not there at the next try', async () => {
    const { keeper, devices, lines } = bench();
    keeper.start();
    await settle();
    devices[0]?.events.opened({ rate: 48_000 });
    devices[0]?.events.failed(failure('ALSA_DEVICE_GONE', 'it has gone'));
    devices[0]?.join();
    await jest.advanceTimersByTimeAsync(100);
    devices[1]?.events.failed(failure('ALSA_DEVICE_GONE', 'it is not there'));
    expect(lines).toEqual([expect.stringContaining('it has gone')]);
    expect(keeper.lostReason).toBe('it is not there');
  });

  test('gives up on a name that ALSA does not know, with key and value', async () => {
    const { keeper, devices, fatal } = bench();
    keeper.start();
    await settle();
    devices[0]?.events.failed(failure('ALSA_UNKNOWN_PCM', 'Unknown PCM card'));
    devices[0]?.join();
    expect(fatal).toHaveBeenCalledWith(
      new FatalError(
        exitCodes.unknownDevice,
        'input.device = "card": ALSA knows no such PCM (Unknown PCM card)',
      ),
    );
    await jest.advanceTimersByTimeAsync(60_000);
    expect(devices).toHaveLength(1);
    expect(keeper.lostReason).toBeNull();
  });

  test('says so when a device’s thread hangs and is left behind', async () => {
    const { keeper, devices, lines } = bench();
    keeper.start();
    await settle();
    const stopped = keeper.stop();
    devices[0]?.join('abandoned');
    await stopped;
    expect(lines.join()).toContain('hangs');
  });
});
