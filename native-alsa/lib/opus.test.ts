import { loadOpusAddon } from './opus.js';

/** Of opus_defines.h. */
const setBitrate = 4002;
/** How much garbage: OPUS_FUZZ_PACKETS=1000000 for a long run. */
const fuzzPackets = Number(process.env.OPUS_FUZZ_PACKETS ?? 5000);

function failLoadingWith(message: string, code?: string): () => unknown {
  return () =>
    loadOpusAddon(() => {
      throw Object.assign(new Error(message), code === undefined ? {} : { code });
    });
}

describe('loading the addon', () => {
  test('gives libopus and its version', () => {
    expect(loadOpusAddon().version).toMatch(/^libopus 1\./);
  });

  test('says how to build what is not built', () => {
    const load = failLoadingWith("Cannot find module './opus.node'", 'MODULE_NOT_FOUND');
    expect(load).toThrow(expect.objectContaining({ code: 'OPUS_UNAVAILABLE' }));
    expect(load).toThrow(/run `make build`/);
  });

  test('names the package that has the missing library', () => {
    const reason = 'libopus.so.0: cannot open shared object file: No such file or directory';
    expect(failLoadingWith(reason, 'ERR_DLOPEN_FAILED')).toThrow(/libopus0/);
  });

  test('passes on any other reason', () => {
    expect(failLoadingWith('wrong ELF class')).toThrow(/wrong ELF class/);
  });
});

describe('the addon itself', () => {
  const { Encoder, Decoder } = loadOpusAddon();

  test('takes only views of the right type, and never past their end', () => {
    const encoder = new Encoder(2049, 2);
    const decoder = new Decoder(2);
    const pcm = new Int16Array(1920);
    const out = new Uint8Array(1276);
    const wrong = [undefined, null, 7, 'x', {}, [], new ArrayBuffer(4000), new Float32Array(1920)];
    for (const each of wrong) {
      expect(encoder.encode(each as Int16Array, 960, out)).toBe(-1);
      expect(encoder.encode(pcm, 960, each as Uint8Array)).toBe(-1);
      expect(decoder.decode(each as Uint8Array, pcm)).toBe(-1);
      expect(decoder.conceal(960, each as Int16Array)).toBe(-1);
      expect(decoder.decodeFec(out, 960, each as Int16Array)).toBe(-1);
    }
    for (const frames of [0, -960, 961, 5761, 2 ** 31, Number.NaN, 1e300]) {
      expect(encoder.encode(pcm, frames, out)).toBeLessThan(0);
      expect(decoder.conceal(frames, pcm)).toBeLessThan(0);
    }
    expect(encoder.encode(pcm.subarray(2), 960, out)).toBe(-1);
    expect(decoder.conceal(960, pcm.subarray(2))).toBe(-2);
    encoder.close();
    decoder.close();
  });

  test('passes on no control that writes through a pointer', () => {
    const encoder = new Encoder(2049, 1);
    for (const request of [4003, 4027, 4031, 4028, 0, -1, 11002]) {
      expect(encoder.set(request, 1)).toBe(-5);
    }
    for (const request of [4002, 4031, 4028, 0]) expect(encoder.get(request)).toBe(-5);
    encoder.close();
  });

  test('sees a detached buffer as an empty one', () => {
    const encoder = new Encoder(2049, 1);
    const pcm = new Int16Array(960);
    structuredClone(pcm.buffer, { transfer: [pcm.buffer] });
    expect(encoder.encode(pcm, 960, new Uint8Array(1276))).toBe(-1);
    encoder.close();
  });

  test('reports what it could not create', () => {
    expect(() => new Encoder(1, 2)).toThrow(expect.objectContaining({ opusCode: -1 }));
    expect(() => new Decoder(3)).toThrow(expect.objectContaining({ opusCode: -1 }));
  });

  test('works on views into the middle of a buffer', () => {
    const encoder = new Encoder(2049, 1);
    const decoder = new Decoder(1);
    const pcm = new Int16Array(3000);
    pcm.forEach((_, i) => {
      pcm[i] = 8000 * Math.sin(i / 10);
    });
    const bytes = new Uint8Array(2000).fill(0xee);
    const length = encoder.encode(pcm.subarray(501), 960, bytes.subarray(7, 1500));
    expect(length).toBeGreaterThan(0);
    const out = new Int16Array(1200).fill(-77);
    expect(decoder.decode(bytes.subarray(7, 7 + length), out.subarray(101, 1061))).toBe(960);
    expect(bytes.subarray(0, 7).every((byte) => byte === 0xee)).toBe(true);
    expect(bytes.subarray(1500).every((byte) => byte === 0xee)).toBe(true);
    expect(out.subarray(0, 101).every((sample) => sample === -77)).toBe(true);
    expect(out.subarray(1061).every((sample) => sample === -77)).toBe(true);
    encoder.close();
    decoder.close();
  });

  test('keeps a packet within the room it was given', () => {
    const encoder = new Encoder(2049, 1);
    expect(encoder.set(setBitrate, 256_000)).toBe(0);
    const pcm = Int16Array.from({ length: 960 }, (_, i) => ((i * 7919) % 20_011) - 10_000);
    for (let n = 0; n < 20; n++) {
      const bytes = encoder.encode(pcm, 960, new Uint8Array(60));
      expect(bytes).toBeGreaterThan(0);
      expect(bytes).toBeLessThanOrEqual(60);
    }
    encoder.close();
  });

  test('outlives garbage in every method', () => {
    const decoder = new Decoder(2);
    const bytes = new Uint8Array(1500);
    const out = new Int16Array(5760 * 2);
    let state = 99;
    const random = (below: number): number => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return (state >>> 8) % below;
    };
    const calls = [
      (packet: Uint8Array) => decoder.decode(packet, out),
      (packet: Uint8Array) => decoder.decode(packet, out),
      (packet: Uint8Array) => decoder.decodeFec(packet, 120 * random(50), out),
      () => decoder.conceal(120 + 120 * random(48), out),
    ];
    let refused = 0;
    for (let n = 0; n < fuzzPackets; n++) {
      const packet = bytes.subarray(0, random(10) === 0 ? random(1500) : random(60));
      packet.forEach((_, i) => {
        packet[i] = random(256);
      });
      const frames = calls[random(calls.length)]!(packet);
      if (frames < 0) refused++;
      expect(frames).toBeLessThanOrEqual(5760);
    }
    expect(refused).toBeGreaterThan(0);
    expect(refused).toBeLessThan(fuzzPackets);
    decoder.close();
  });
});
