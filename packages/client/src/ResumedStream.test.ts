import { packetFlags, ReceivedPacket } from '@kvm-audio/protocol';
import { ResumedStream } from './ResumedStream.js';

/** A packet of 20 ms: number `seq` of its server's stream. */
function packet(seq: number, captureTimeUs?: number, mediaTime = seq * 960): ReceivedPacket {
  const received = new ReceivedPacket();
  received.seq = seq;
  received.mediaTime = mediaTime;
  received.captureTimeUs = captureTimeUs;
  received.bytes = Buffer.from([0xf8, 0, 0]);
  received.payloadEnd = 3;
  return received;
}

const { discontinuity } = packetFlags;

function begun(...seqs: number[]): ResumedStream {
  const stream = new ResumedStream();
  stream.onConnected(1);
  for (const seq of seqs) expect(stream.resume(packet(seq, seq * 20_000))).toBeUndefined();
  return stream;
}

describe('a stream', () => {
  test('is that of the server as long as it lasts', () => {
    const stream = begun(100);
    const next = packet(101);
    expect(stream.resume(next)).toBeUndefined();
    expect(next).toMatchObject({ seq: 101, mediaTime: 101 * 960, flags: 0 });
  });

  test('tells what the server dropped, and leaves the flags to the server', () => {
    const stream = begun(1, 2);
    const next = packet(6);
    expect(stream.resume(next)).toEqual({ packets: 3, ms: 60 });
    expect(next.flags).toBe(0);
    expect(stream.resume(packet(7))).toBeUndefined();
  });

  test('goes on over the wrap of the sequence numbers', () => {
    const stream = begun(0xffff_fffe, 0xffff_ffff);
    expect(stream.resume(packet(0, 0, (0xffff_ffff + 1) * 960))).toBeUndefined();
    expect(stream.resume(packet(2, 0, (0xffff_ffff + 3) * 960))).toEqual({ packets: 1, ms: 20 });
  });

  test('goes on after a connection that was lost, flagged where something is missing', () => {
    const stream = begun(1, 2);
    stream.onConnected(1);
    const next = packet(5);
    expect(stream.resume(next)).toEqual({ packets: 2, ms: 40 });
    expect(next).toMatchObject({ seq: 5, mediaTime: 5 * 960, flags: discontinuity });
    const after = packet(6);
    stream.resume(after);
    expect(after.flags).toBe(0);
  });

  test('is not flagged where nothing is missing after all', () => {
    const stream = begun(1, 2);
    stream.onConnected(1);
    const next = packet(3);
    expect(stream.resume(next)).toBeUndefined();
    expect(next.flags).toBe(0);
  });

  test('goes on over a restart of the pipeline, by the time that has passed', () => {
    const stream = begun(500);
    stream.onConnected(2);
    const first = packet(0, 500 * 20_000 + 300_000);
    expect(stream.resume(first)).toEqual({ packets: 14, ms: 280 });
    expect(first).toMatchObject({
      seq: 515,
      mediaTime: 515 * 960,
      flags: discontinuity,
      captureTimeUs: 500 * 20_000 + 300_000,
    });
    const second = packet(1);
    expect(stream.resume(second)).toBeUndefined();
    expect(second).toMatchObject({ seq: 516, mediaTime: 516 * 960, flags: 0 });
    stream.onConnected(2);
    const third = packet(3);
    expect(stream.resume(third)).toEqual({ packets: 1, ms: 20 });
    expect(third).toMatchObject({ seq: 518, mediaTime: 518 * 960, flags: discontinuity });
  });

  test('knows a restart by numbers that begin anew, too', () => {
    const stream = begun(500);
    stream.onConnected(1);
    const first = packet(0, 500 * 20_000 + 100_000);
    expect(stream.resume(first)).toEqual({ packets: 4, ms: 80 });
    expect(first.seq).toBe(505);
  });

  test('knows a restart by the pipeline’s process where the new numbers are ahead', () => {
    const stream = begun(1, 2);
    stream.onConnected(2);
    const first = packet(5, 2 * 20_000 + 400_000);
    expect(stream.resume(first)).toEqual({ packets: 19, ms: 380 });
    expect(first).toMatchObject({ seq: 22, mediaTime: 22 * 960 });
  });

  test('goes on without a clock: what is missing is not known', () => {
    const stream = begun(500);
    stream.onConnected(2);
    const first = packet(0);
    expect(stream.resume(first)).toEqual({ packets: 0, ms: 0 });
    expect(first).toMatchObject({ seq: 501, mediaTime: 501 * 960, flags: discontinuity });
  });

  test('never goes back where a clock does', () => {
    const stream = begun(500);
    stream.onConnected(2);
    const first = packet(0, 1);
    stream.resume(first);
    expect(first).toMatchObject({ seq: 501, mediaTime: 501 * 960 });
  });

  test('begins where its first packet does, however late that comes', () => {
    const stream = new ResumedStream();
    stream.onConnected(1);
    stream.onConnected(2);
    const first = packet(9);
    expect(stream.resume(first)).toBeUndefined();
    expect(first).toMatchObject({ seq: 9, flags: 0 });
  });
});
