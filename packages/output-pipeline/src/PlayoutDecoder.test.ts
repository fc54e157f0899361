import { NativeBackend } from '@kvm-audio/audio';
import { loadOpusAddon } from '@kvm-audio/native-alsa/opus';
import { packetFlags } from '@kvm-audio/protocol';
import { musicEncoder } from '../../../test/helpers/musicEncoder.js';
import { musicSignal } from '../../../test/helpers/syntheticSignals.js';
import { PlayoutDecoder } from './PlayoutDecoder.js';

const frames = 960;
const backend = new NativeBackend(loadOpusAddon());
const broken = Uint8Array.of(0xff, 0xff, 0xff);

/** Packets of one encoder, one after another. */
function packetsOf(count: number): Uint8Array[] {
  const encoder = backend.createEncoder('audio', 2, musicEncoder);
  const music = musicSignal(count * frames, 2);
  const packets = Array.from({ length: count }, (_, i) => {
    const out = new Uint8Array(1_500);
    return out.slice(0, encoder.encode(music.subarray(2 * i * frames), frames, out));
  });
  encoder.close();
  return packets;
}

const packets = packetsOf(20);
const anew = packets[0]!;

function decoded(decoder: PlayoutDecoder, packet: Uint8Array, flags = 0): Int16Array {
  const pcm = new Int16Array(2 * frames);
  expect(decoder.decode(packet, flags, frames, pcm)).toBe(true);
  return pcm;
}

let decoder: PlayoutDecoder;

beforeEach(() => {
  decoder = new PlayoutDecoder(backend.createDecoder(2));
});

test('a packet of a new encoder is what it is for a new decoder, where it says so', () => {
  const first = decoded(decoder, anew);
  for (const packet of packets) decoded(decoder, packet);
  expect(decoded(decoder, anew, packetFlags.discontinuity)).toEqual(first);
  for (const packet of packets) decoded(decoder, packet);
  expect(decoded(decoder, anew)).not.toEqual(first);
});

test('what is broken is told, and made up for, and the next packet is decoded', () => {
  for (const packet of packets) decoded(decoder, packet);
  const pcm = new Int16Array(2 * frames).fill(12_345);
  expect(decoder.decode(broken, 0, frames, pcm)).toBe(false);
  expect(pcm.includes(12_345)).toBe(false);
  expect(pcm.some((sample) => sample !== 0)).toBe(true);
  decoder.decodeFec(broken, frames, pcm.fill(12_345));
  expect(pcm.includes(12_345)).toBe(false);
  decoded(decoder, anew);
});
