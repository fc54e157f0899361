import { outcomes } from '../fuzz/FuzzClient.js';
import { fuzzDaemon } from '../fuzz/fuzzDaemon.js';

const messages = 4_000;

describe('a daemon that is sent whatever there is', () => {
  test('answers or closes with a reason, and goes on', async () => {
    const report = await fuzzDaemon({ messages, seed: 20_261_121, floodSeconds: 0 });
    expect(report).toMatchObject({ ends: [null, null], samePids: true, restarts: 0 });
    expect(report.messages).toBeGreaterThanOrEqual(messages);
    const endings = Object.keys(report.outcomes).map((key) => key.replace(/^\w+: /, ''));
    for (const never of [outcomes.silent, outcomes.waiting, outcomes.refused]) {
      expect(endings).not.toContain(never);
    }
    expect(report.floods).toMatchObject({
      'input: one too many': { open: 64, TOO_MANY_CLIENTS: 8 },
      'control: one too many': { open: 64, TOO_MANY_CLIENTS: 8 },
      'output: one too many': { open: 1 },
      'input: a byte a second': { DEADLINE_EXCEEDED: 1 },
      'output: a byte a second': { DEADLINE_EXCEEDED: 1 },
      'control: a byte a second': { DEADLINE_EXCEEDED: 1 },
      'control: too many requests': { answered: 192, TOO_MANY_REQUESTS: 128 },
    });
  });
});
