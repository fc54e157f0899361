import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PcmRecording, pcmFormat, playOn } from '../helpers/PcmRecording.js';
import { inRepository } from '../helpers/repository.js';
import { correlation, findIn, mixDown, splitChannels } from '../helpers/signal.js';
import { TestDaemon } from '../helpers/TestDaemon.js';
import { TestProcess } from '../helpers/TestProcess.js';

const example = inRepository('docs/examples/python/kvm_audio.py');
const { rate, channels } = pcmFormat;
const recordedSeconds = 3;
/** One sweep a second: it is like itself at one place only. */
const sweep = Float64Array.from({ length: rate / 2 }, (_, i) => {
  const seconds = i / rate;
  return Math.sin(2 * Math.PI * (300 * seconds + 2_700 * seconds ** 2)) / 2;
});
const correlationMin = 0.9;

/** Seconds of the sound, a sweep in the first half of each, as `aplay` takes it. */
function sound(seconds: number): Buffer {
  const once = Int16Array.from({ length: rate * channels }, (_, i) =>
    Math.round(32_767 * (sweep[Math.floor(i / channels)] ?? 0)),
  );
  return Buffer.concat(Array<Buffer>(seconds).fill(Buffer.from(once.buffer)));
}

describe('the client in Python', () => {
  let daemon: TestDaemon;
  let folder: string;

  beforeAll(async () => {
    daemon = await TestDaemon.start();
    folder = mkdtempSync(join(tmpdir(), 'kvma-python-'));
  });

  afterAll(async () => {
    rmSync(folder, { recursive: true, force: true });
    await daemon.stop();
  });

  /** Debian's own interpreter: that is the one which its python3-msgpack is for. */
  function start(...args: string[]): TestProcess {
    return new TestProcess('kvm_audio.py', '/usr/bin/python3', [example, ...args], daemon.env);
  }

  async function run(...args: string[]): Promise<string> {
    const process_ = start(...args);
    const { code } = await process_.ended;
    if (code !== 0) throw new Error(`kvm_audio.py ended with ${code}: ${process_.output}`);
    return process_.output;
  }

  async function record(file: string): Promise<string> {
    writeFileSync(join(folder, 'sound.raw'), sound(recordedSeconds + 5));
    const player = playOn(daemon.inputCard, join(folder, 'sound.raw'));
    try {
      return await run('record', file, String(recordedSeconds));
    } finally {
      await player.stop('SIGKILL');
    }
  }

  test('is of less than 100 lines', () => {
    expect(readFileSync(example, 'utf8').split('\n').length - 1).toBeLessThan(100);
  });

  test('records what is heard and plays it, in its own time', async () => {
    const file = join(folder, 'packets');
    expect(await record(file)).toBe(`150 packets, 3.00 s in ${file}\n`);
    const recording = await PcmRecording.start(daemon.outputCard, join(folder, 'heard.raw'));
    try {
      const startMs = performance.now();
      expect(await run('play', file)).toBe('150 packets, 3.00 s played\n');
      expect(performance.now() - startMs).toBeGreaterThan((recordedSeconds - 0.1) * 1_000);
      const heard = mixDown(splitChannels(await recording.stop(), channels));
      const at = findIn(heard, sweep);
      expect(correlation(heard.subarray(at, at + sweep.length), sweep)).toBeGreaterThan(
        correlationMin,
      );
    } finally {
      await recording.abandon();
    }
    const { output } = await daemon.waitForStatus(
      'report of all packets',
      (status) => (status.output.stream?.framesReceived ?? 0) >= 150,
    );
    expect(output.stream?.drops).toMatchObject({ decode_error: 0, jitter_overflow: 0 });
  });

  test('records Ogg that holds together: page by page, in order, to the end', async () => {
    const file = join(folder, 'sound.opus');
    await record(file);
    const bytes = readFileSync(file);
    const pages: { kind: number; position: number; number: number; bytes: number }[] = [];
    for (let at = 0; at < bytes.length; ) {
      expect(bytes.toString('latin1', at, at + 4)).toBe('OggS');
      const segments = bytes.subarray(at + 27, at + 27 + bytes.readUInt8(at + 26));
      const payload = segments.reduce((sum, length) => sum + length, 0);
      pages.push({
        kind: bytes.readUInt8(at + 5),
        position: Number(bytes.readBigInt64LE(at + 6)),
        number: bytes.readUInt32LE(at + 18),
        bytes: payload,
      });
      const end = at + 27 + segments.length + payload;
      const page = Buffer.from(bytes.subarray(at, end));
      page.writeUInt32LE(0, 22);
      expect(oggChecksum(page)).toBe(bytes.readUInt32LE(at + 22));
      at = end;
    }
    expect(pages.map(({ number }) => number)).toEqual(pages.map((_, i) => i));
    expect(pages.slice(0, 2)).toMatchObject([{ kind: 2, bytes: 19 }, { kind: 0 }]);
    expect(pages.slice(2).map(({ position }) => position)).toEqual(
      Array.from({ length: 150 }, (_, i) => 960 * (i + 1)),
    );
    expect(pages.at(-1)?.kind).toBe(4);
  });

  test('refuses to play Ogg and other files that hold no packets, before it connects', async () => {
    const file = join(folder, 'no packets');
    const connects = () => daemon.log.split('source connected').length - 1;
    const before = connects();
    for (const begin of ['OggS\0\x02', 'RIFF', '\x10\x01', '\0\0']) {
      writeFileSync(file, Buffer.concat([Buffer.from(begin, 'latin1'), Buffer.alloc(5_000)]));
      const process_ = start('play', file, '--takeover');
      expect((await process_.ended).code).toBe(1);
      expect(process_.output).toBe(
        `kvm_audio.py: ${file}: play wants packets, each behind its length, no Ogg\n`,
      );
    }
    expect(connects()).toBe(before);
  });

  test('says the server’s reason where it is refused', async () => {
    const silence = Buffer.from('0003fcfffe', 'hex');
    writeFileSync(join(folder, 'silence'), Buffer.concat(Array<Buffer>(300).fill(silence)));
    const first = start('play', join(folder, 'silence'));
    try {
      await daemon.waitForStatus('source', ({ output }) => output.stream?.clients === 1);
      const second = start('play', join(folder, 'silence'));
      expect((await second.ended).code).toBe(1);
      expect(second.output).toBe(
        'kvm_audio.py: AUDIO_ALREADY_RUNNING: another source is connected (retry: True)\n',
      );
      const third = start('play', join(folder, 'silence'), '--takeover');
      await first.ended;
      expect(first.output).toBe('kvm_audio.py: the server has closed the connection\n');
      await third.stop('SIGKILL');
    } finally {
      if (first.running) await first.stop('SIGKILL');
    }
  });
});

/** CRC-32 as Ogg has it: polynomial 0x04c11db7, nothing reflected (RFC 3533, 6). */
function oggChecksum(bytes: Uint8Array): number {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte << 24;
    for (let bit = 0; bit < 8; bit++) crc = crc < 0 ? (crc << 1) ^ 0x04c1_1db7 : crc << 1;
  }
  return crc >>> 0;
}
