import { hangingCall } from './standstill.js';

const nowUs = 60_000_000;

test('a call that has just begun, or none, does not hang', () => {
  expect(hangingCall(undefined, 0, nowUs)).toBeNull();
  expect(hangingCall({ inCallSinceUs: 0 }, 0, nowUs)).toBeNull();
  expect(hangingCall({ inCallSinceUs: nowUs - 400_000 }, 0, nowUs)).toBeNull();
  expect(hangingCall(undefined, 2_500, nowUs)).toBeNull();
});

test('a call that does not return hangs, and so does an opening', () => {
  expect(hangingCall({ inCallSinceUs: nowUs - 1_250_000 }, 0, nowUs)).toMatch(/returned for 1.3 s/);
  expect(hangingCall(undefined, 4_000, nowUs)).toMatch(/not opened for 4.0 s/);
});
