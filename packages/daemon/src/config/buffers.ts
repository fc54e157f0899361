import { sendQueuePacketsMax } from '@kvm-audio/protocol';
import { z } from 'zod';

/** More frames than a queue has slots for are no size. */
const frames = z.int().min(1).max(sendQueuePacketsMax);
const percent = z.number().min(0).max(100);
/** Of one core, summed over the processes. */
const cpuPercent = z.number().min(0).max(1_000);
const latencyMs = z.number().min(0).max(10_000);
const weight = z.number().min(0).max(1);
const share = z.number().gt(0).max(1);
const ticks = z.int().min(1).max(1_000);

/** How many frames may queue, and how that follows the machine: docs/architecture.md. */
export const buffers = z.strictObject({
  tickMs: z
    .int()
    .min(50)
    .max(60_000)
    .default(500)
    .describe('the sizes are looked at so often, in ms, while anything streams'),
  startFrames: frames.default(6).describe('size of both directions at the start, in frames'),
  minFrames: frames.default(3).describe('least size, in frames'),
  maxFrames: frames.default(20).describe('largest size, in frames'),
  cpuLowPercent: cpuPercent.default(20).describe('under it CPU speaks for larger queues'),
  cpuHighPercent: cpuPercent
    .default(60)
    .describe('over it CPU speaks for smaller queues; both pipelines, in % of one core'),
  memoryLowPercent: percent.default(35).describe('under it memory speaks for larger queues'),
  memoryHighPercent: percent
    .default(75)
    .describe('over it memory speaks for smaller queues; mean of the pipelines, in %'),
  latencyTargetMs: latencyMs.default(20).describe('under it latency speaks for larger queues'),
  latencyMaxMs: latencyMs.default(50).describe('over it latency speaks for smaller queues, in ms'),
  cpuWeight: weight.default(0.5).describe('what CPU counts for'),
  memoryWeight: weight.default(0.3).describe('what memory counts for'),
  latencyWeight: weight.default(0.2).describe('what latency counts for'),
  sizeSmoothing: share.default(0.3).describe('share of the way to its target that a tick goes'),
  latencySmoothing: share.default(0.3).describe('share of the newest figure in the average'),
  applyFrames: z
    .number()
    .min(0.01)
    .max(10)
    .default(0.5)
    .describe('a size that differs by so much is applied, in frames'),
  latencyAuthority: z
    .boolean()
    .default(true)
    .describe('latency is the time in our queues; over its maximum it decides alone'),
  floatState: z
    .boolean()
    .default(true)
    .describe('sizes move in fractions of a frame, input and output on their own'),
  boundQueues: z
    .boolean()
    .default(true)
    .describe('sizes bound the queues; off: they are only shown'),
  overflowAndHysteresis: z
    .boolean()
    .default(true)
    .describe('the four keys that follow have an effect'),
  overflowPercent: percent
    .default(1)
    .describe('with more packets dropped by the jitter buffer the output gets a frame, in %'),
  overflowWindowMs: z
    .int()
    .min(50)
    .max(600_000)
    .default(5_000)
    .describe('over how long they are counted, in ms'),
  growTicks: ticks.default(2).describe('so many ticks must speak for growing before it grows'),
  shrinkTicks: ticks.default(4).describe('so many ticks must speak for shrinking'),
});

export type BufferSettings = z.infer<typeof buffers>;

/** Between two thresholds there is a way: they are not the same, and not the other way round. */
const pairs = [
  ['cpuLowPercent', 'cpuHighPercent'],
  ['memoryLowPercent', 'memoryHighPercent'],
  ['latencyTargetMs', 'latencyMaxMs'],
] as const;

const orders = [
  ['minFrames', 'startFrames'],
  ['startFrames', 'maxFrames'],
] as const;

export function checkSizes(settings: BufferSettings, context: z.RefinementCtx): void {
  const refuse = (key: keyof BufferSettings, message: string): void =>
    context.addIssue({ code: 'custom', path: ['buffers', key], message });
  for (const [low, high] of pairs) {
    if (settings[low] < settings[high]) continue;
    refuse(high, `${settings[high]} is not more than ${low} = ${settings[low]}`);
  }
  // Then a size between them is not what is wrong.
  const isEmpty = settings.minFrames > settings.maxFrames;
  for (const [less, more] of isEmpty ? ([['minFrames', 'maxFrames']] as const) : orders) {
    if (settings[less] <= settings[more]) continue;
    refuse(more, `${settings[more]} is less than ${less} = ${settings[less]}`);
  }
}
