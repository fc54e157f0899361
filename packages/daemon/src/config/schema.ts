import { applications, frameLengthsMs, qualityLevels } from '@kvm-audio/protocol';
import { z } from 'zod';
import { buffers, checkSizes } from './buffers.js';

/** Longest silence or buffer that a key may ask for; more is a typing error. */
const bufferMsMax = 1_000;

/** No margin is longer, whatever it is told to follow. */
const marginMsMax = 500;

const level = z.enum(qualityLevels);
const application = z.enum(applications);
const frameMs = z.literal([...frameLengthsMs]);
const device = z
  .string()
  .min(1)
  .max(128)
  .regex(/^\P{Cc}*$/u, 'must not hold control characters');
const channels = z.int().min(1).max(2);
const periodMs = z.number().min(1).max(100);
const bufferMs = z.number().min(5).max(bufferMsMax);

const output = z.strictObject({
  device: device.default('auto').describe('ALSA PCM to play on, or auto'),
  quality: level.default('medium').describe('level that a client is asked to send'),
  frameMs: frameMs.optional().describe('frame length in ms, instead of the level’s'),
  application: application.optional().describe('Opus application of all levels'),
  channels: channels.default(2).describe('channels; those of the card are mixed to them'),
  periodMs: periodMs.default(5).describe('ALSA period in ms'),
  bufferMs: bufferMs
    .default(100)
    .describe('ALSA buffer in ms, at least, and at least two periods: room, not delay'),
  targetMs: z
    .number()
    .min(3)
    .max(marginMsMax)
    .optional()
    .describe(
      'audio that is still unplayed when the next frame comes, in ms: the margin against jitter; ' +
        'at most targetMsMax; where it is left out, it follows the jitter',
    ),
  targetMsMax: z
    .number()
    .min(10)
    .max(marginMsMax)
    .default(150)
    .describe('the most that the margin may be, in ms: it follows the jitter no further'),
});

const input = z.strictObject({
  device: device.default('auto').describe('ALSA PCM to capture from, or auto'),
  profile: z
    .enum(['microphone', 'program'])
    .default('microphone')
    .describe('microphone: mono voice; program: the host’s stereo sound'),
  quality: level.default('medium').describe('quality level of the stream'),
  frameMs: frameMs.optional().describe('frame length in ms, instead of the level’s'),
  application: application.optional().describe('Opus application of all levels'),
  channels: channels.default(2).describe('channels; those of the card are mixed to them'),
  periodMs: periodMs.default(5).describe('ALSA period in ms'),
  bufferMs: bufferMs.default(100).describe('ALSA buffer in ms: room, not delay'),
  keepOpen: z.boolean().default(false).describe('capture also while nobody listens'),
  lingerMs: z
    .int()
    .min(0)
    .max(600_000)
    .default(5_000)
    .describe('keep capturing for so many ms after the last listener has gone'),
});

const codec = z.strictObject({
  backend: z
    .enum(['auto', 'native', 'wasm'])
    .default('auto')
    .describe('native: libopus; wasm: no library needed; auto: native where it loads'),
  complexity: z.int().min(0).max(10).optional().describe('Opus complexity, instead of the level’s'),
  vbr: z.boolean().default(true).describe('variable bitrate'),
  constrainedVbr: z.boolean().default(true).describe('variable bitrate without peaks'),
  dtx: z.boolean().default(false).describe('hardly send anything while it is silent'),
  fec: z.boolean().default(false).describe('in-band redundancy against loss (not in lowdelay)'),
  expectedLossPercent: z.int().min(0).max(100).default(0).describe('loss to prepare for, in %'),
});

const realtime = z.strictObject({
  fifoPriority: z
    .int()
    .min(0)
    .max(10)
    .default(5)
    .describe(
      'SCHED_FIFO of the playing card’s thread (capturing: 1 less), 0 = none; a refusal is a warning',
    ),
  niceness: z
    .int()
    .min(-20)
    .max(19)
    .default(-5)
    .describe('niceness of the pipelines’ main threads; a refusal is a warning'),
});

const latency = z.strictObject({
  optimise: z.boolean().default(true).describe('change a pipeline, step by step, where it is late'),
  targetMs: z.number().min(5).max(1_000).default(50).describe('wanted latency in ms, on average'),
  tolerance: z
    .number()
    .min(1)
    .max(10)
    .default(1.8)
    .describe('late is what is above targetMs times this, on average'),
  maxMs: z
    .number()
    .min(5)
    .max(10_000)
    .default(200)
    .describe('late is also what is above this, in ms, from one report to the next'),
  jitterMs: z
    .number()
    .min(1)
    .max(1_000)
    .default(20)
    .describe('with more jitter than this, in ms, the margin is not made smaller'),
  checkMs: z.int().min(1_000).max(600_000).default(5_000).describe('how often it is looked at'),
  settleMs: z
    .int()
    .min(1_000)
    .max(600_000)
    .default(15_000)
    .describe('from a step until it is kept, or taken back, in ms'),
});

const uids = z.array(z.int().min(0).max(0xffff_fffe)).max(64).default([]);

const clients = z.strictObject({
  uids: uids.describe(
    'users who may send and hear audio, besides root, the daemon’s user and its group',
  ),
});

const control = z.strictObject({
  uids: uids.describe(
    'users who may change what the daemon does, besides root and its own; its group may look',
  ),
});

type Output = z.infer<typeof output>;
type Input = z.infer<typeof input>;

const log = z.strictObject({
  level: z
    .enum(['error', 'warn', 'info', 'debug', 'trace'])
    .default('info')
    .describe('least level'),
  format: z
    .enum(['auto', 'json', 'text'])
    .default('auto')
    .describe('auto: text on a terminal, else one JSON object a line'),
});

/** A buffer has room for two periods, else ALSA has nothing to move while one is played. */
function checkBuffers(config: { output: Output; input: Input }, context: z.RefinementCtx): void {
  for (const direction of ['output', 'input'] as const) {
    const { bufferMs, periodMs } = config[direction];
    if (bufferMs >= 2 * periodMs) continue;
    context.addIssue({
      code: 'custom',
      path: [direction, 'bufferMs'],
      message: `${bufferMs} is less than twice periodMs = ${periodMs}`,
    });
  }
}

/** What is beyond its own bound is told of already. */
function checkTarget({ output }: { output: Output }, context: z.RefinementCtx): void {
  const { targetMs, targetMsMax } = output;
  if (targetMs === undefined || targetMs <= targetMsMax || targetMs > marginMsMax) return;
  context.addIssue({
    code: 'custom',
    path: ['output', 'targetMs'],
    message: `${targetMs} is more than targetMsMax = ${targetMsMax}`,
  });
}

function checkLatency(
  { latency: { targetMs, maxMs } }: { latency: z.infer<typeof latency> },
  context: z.RefinementCtx,
): void {
  if (maxMs >= targetMs) return;
  context.addIssue({
    code: 'custom',
    path: ['latency', 'maxMs'],
    message: `${maxMs} is less than targetMs = ${targetMs}`,
  });
}

/** Every key of the configuration file, with default, bounds and what it means. */
const sections = z.strictObject({
  output: output.prefault({}),
  input: input.prefault({}),
  codec: codec.prefault({}),
  buffers: buffers.prefault({}),
  clients: clients.prefault({}),
  control: control.prefault({}),
  realtime: realtime.prefault({}),
  latency: latency.prefault({}),
  log: log.prefault({}),
});

export const configSchema = sections
  .superRefine(checkBuffers)
  .superRefine(checkTarget)
  .superRefine(checkLatency)
  .superRefine((config, context) => checkSizes(config.buffers, context));

export type Config = z.infer<typeof configSchema>;
