import { NativeBackend, type OpusDecoder } from '@kvm-audio/audio';
import { loadOpusAddon } from '@kvm-audio/native-alsa/opus';
import { mediaRate } from '@kvm-audio/protocol';
import { musicEncoder } from '../../../test/helpers/musicEncoder.js';
import { receivedPacket } from '../../../test/helpers/receivedPacket.js';
import { musicSignal } from '../../../test/helpers/syntheticSignals.js';
import { noPlayerCounts } from './PlayerParts.js';
import { PlayoutTarget } from './PlayoutTarget.js';
import { UnheardPlayer } from './UnheardPlayer.js';

const frames = mediaRate / 50;
const backend = new NativeBackend(loadOpusAddon());
/** Loud, then quiet: the card is away from the one until after the other has begun. */
const packets = { loud: 50, quiet: 20 };
const heardAt = packets.loud + 10;
const quietPart = 300;

function encoded(): Uint8Array[] {
  const encoder = backend.createEncoder('audio', 2, musicEncoder);
  const pcm = musicSignal((packets.loud + packets.quiet) * frames, 2).map((sample, i) =>
    i < 2 * packets.loud * frames ? sample : Math.round(sample / quietPart),
  );
  const coded = Array.from({ length: packets.loud + packets.quiet }, (_, i) => {
    const out = new Uint8Array(1_500);
    return out.slice(0, encoder.encode(pcm.subarray(2 * i * frames), frames, out));
  });
  encoder.close();
  return coded;
}

const coded = encoded();

function decoded(decoder: OpusDecoder, packet: number): Int16Array {
  const pcm = new Int16Array(2 * frames);
  decoder.decode(coded[packet]!, pcm);
  return pcm;
}

function unheard(decoder: OpusDecoder) {
  const target = new PlayoutTarget({ fixedMs: undefined, mostMs: 150 });
  const counters = noPlayerCounts();
  return { target, counters, player: new UnheardPlayer(decoder, target, counters) };
}

const received = (i: number, captureTimeUs?: number) => {
  const payload = Buffer.from(coded[i]!);
  return receivedPacket({ seq: i, mediaTime: i * frames, captureTimeUs, flags: 0, payload });
};

test('what comes while there is no card leaves the decoder where what is heard needs it', () => {
  const [whole, away] = [backend.createDecoder(2), backend.createDecoder(2)];
  const { player, counters } = unheard(away);
  for (let i = 0; i < heardAt; i++) {
    decoded(whole, i);
    if (i < packets.loud) decoded(away, i);
    else player.onPacket(received(i));
  }
  expect(decoded(away, heardAt)).toEqual(decoded(whole, heardAt));
  expect(counters.drops.no_device).toBe(heardAt - packets.loud);
  expect(counters.unheardFrames).toBe((heardAt - packets.loud) * frames);
  expect(player.isUnderWay).toBe(true);
  player.end();
  expect(player.isUnderWay).toBe(false);
});

test('a source that ends while there is no card leaves nothing to the next one', () => {
  const decoder = backend.createDecoder(2);
  const { player, target } = unheard(decoder);
  const see = (captureTimeUs?: number) => target.observe(received(0, captureTimeUs), frames, 1e6);
  see(990_000);
  const localMs = target.goalFrames;
  for (let i = 0; i < packets.loud; i++) decoded(decoder, i);
  player.end();
  expect(decoded(decoder, 0)).toEqual(decoded(backend.createDecoder(2), 0));
  see();
  expect(target.goalFrames).toBeGreaterThan(localMs);
});
