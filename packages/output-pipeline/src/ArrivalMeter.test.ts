import { packetFlags } from '@kvm-audio/protocol';
import { receivedPacket } from '../../../test/helpers/receivedPacket.js';
import { ArrivalMeter } from './ArrivalMeter.js';

const payload = Uint8Array.of(0xfc);

/** Packets of 20 ms by number, each so much later than it is due. */
function meterOf(seqs: readonly number[], lateMs: (seq: number) => number = () => 0): ArrivalMeter {
  const meter = new ArrivalMeter();
  for (const seq of seqs) {
    const packet = { seq: seq >>> 0, mediaTime: 960 * seq, captureTimeUs: undefined, flags: 0 };
    meter.onPacket(receivedPacket({ ...packet, payload }), (20 * seq + lateMs(seq)) * 1000);
  }
  return meter;
}

const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

describe('the loss of a source', () => {
  test.each([
    ['nothing where all came', numbers(50), 0, 0],
    ['what is missing', numbers(50).filter((seq) => seq % 10 !== 5), 0, 10],
    ['what came too late', numbers(50), 5, 10],
    ['nothing where they came in another order', [0, 2, 1, 3, 5, 4, 6], 0, 0],
    ['nothing where one came twice', [0, 1, 1, 2, 3, 3], 0, 0],
    ['nothing where there was nothing', [], 0, 0],
    ['never more than all', [0, 1], 9, 100],
  ])('is %s', (_, seqs, late, percent) => {
    expect(meterOf(seqs).take(late).lossPercent).toBeCloseTo(percent);
  });

  test('is counted anew after it was told', () => {
    const meter = meterOf([0, 1, 3]);
    expect(meter.take(0).lossPercent).toBe(25);
    expect(meter.take(0).lossPercent).toBe(0);
  });

  test('goes on where the sequence number wraps, and does not where it is a new one', () => {
    const wrapping = [2 ** 32 - 2, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1];
    expect(meterOf(wrapping).take(0).lossPercent).toBe(0);
    expect(meterOf([10, 11, 900_000, 900_001]).take(0).lossPercent).toBe(0);
    expect(meterOf([900_000, 900_001, 10, 11]).take(0).lossPercent).toBe(0);
  });
});

describe('the jitter of a source', () => {
  test('is nothing where it is steady', () => {
    expect(meterOf(numbers(100)).take(0).jitterMs).toBeCloseTo(0);
  });

  test('is the mean step of the transit time (RFC 3550)', () => {
    expect(meterOf(numbers(500), (seq) => (seq % 2) * 8).take(0).jitterMs).toBeCloseTo(8, 1);
  });

  test('does not count a discontinuity', () => {
    const meter = meterOf(numbers(10));
    const jump = { seq: 10, mediaTime: 1e9, captureTimeUs: undefined, payload };
    meter.onPacket(receivedPacket({ ...jump, flags: packetFlags.discontinuity }), 200_000);
    expect(meter.take(0).jitterMs).toBeCloseTo(0);
  });
});
