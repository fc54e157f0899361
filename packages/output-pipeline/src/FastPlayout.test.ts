import type { CarriedPacket, PcmPlayback, PlayoutFastPath } from '@kvm-audio/native-alsa/alsa';
import { type Connection, mediaRate } from '@kvm-audio/protocol';
import { PlayerBench, stream } from '../../../test/helpers/PlayerBench.js';
import { type CarriedWatcher, FastPlayout } from './FastPlayout.js';
import type { Player } from './Player.js';

const ms = mediaRate / 1000;
const frameMs = 20;
const packets = 100;

function row(concealed: boolean, nowMs: number): CarriedPacket {
  const frames = (concealed ? 5 : frameMs) * ms;
  return {
    concealed,
    arrivalUs: nowMs * 1000,
    seq: packets,
    mediaTime: packets * frameMs * ms,
    captureTimeUs: undefined,
    payloadBytes: 100,
    frames,
    queuedFrames: 10 * ms,
    ringFrames: 0,
    beyondFrames: 0,
    playedFrames: 0,
    seenUs: nowMs * 1000,
    startUs: nowMs * 1000,
    endUs: nowMs * 1000,
    committedFrames: frames,
  };
}

test('what was made up behind a packet that has the card closed is left out', () => {
  const bench = new PlayerBench();
  Object.assign(bench.decoder, { role: {} });
  bench.run(stream(packets, frameMs), 1_000 + packets * frameMs + 5);
  const rows = [row(false, bench.nowMs), row(true, bench.nowMs)];
  const path = {
    engage: () => true,
    disengage: () => rows.length,
    packet: (index: number) => rows[index]!,
    historyEnd: bench.player.played.end,
    handedOver: false,
    takeRest: () => Buffer.alloc(0),
  };
  const device = { makeFastPath: () => path as unknown as PlayoutFastPath };
  const source = { lend: () => 0, takeBack: () => undefined };
  let player: Player | undefined = bench.player;
  const watcher: CarriedWatcher = {
    // As the pipeline does where the card runs at another rate.
    onCarried: (packet, carried) => {
      player?.noteCarried(packet, carried);
      player = undefined;
      bench.jitter.reset();
    },
    onConcealed: (carried) => player?.noteConcealed(carried),
  };
  const fast = new FastPlayout(device as unknown as PcmPlayback, bench.player, watcher);
  fast.lend(source as unknown as Connection, bench.card.nowUs);
  expect(fast.isLent).toBe(true);
  fast.takeBack();
  expect([fast.isLent, bench.counters.concealedFrames]).toEqual([false, 0]);
});
