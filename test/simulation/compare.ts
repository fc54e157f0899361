import { Random } from '../helpers/random.js';
import { PlayoutSimulation } from './PlayoutSimulation.js';
import { type DelayRule, FixedDelay, QuantileDelay, ReferenceBuffer } from './ReferenceBuffer.js';
import { busyLoopLateMs } from './Trace.js';
import { arrivalsOf, type NamedTrace } from './traces.js';

/** Of one trace through one buffer. Delays from the capture of a packet's end until it was heard. */
export type Figures = {
  meanMs: number;
  p99Ms: number;
  concealedPercent: number;
  skips: number;
};

const loop = (): (() => number) => {
  const random = new Random(2);
  return () => busyLoopLateMs(random);
};

export function play(
  trace: NamedTrace,
  options: Partial<ConstructorParameters<typeof PlayoutSimulation>[0]> = {},
): PlayoutSimulation {
  const { seconds, cardSkewPpm } = trace;
  const arrivals = arrivalsOf(trace);
  return new PlayoutSimulation({
    arrivals,
    seconds,
    cardSkewPpm,
    loopLateMs: loop(),
    ...options,
  }).run();
}

export function ours(trace: NamedTrace): Figures {
  const { delays, concealedPercent, skips } = play(trace);
  return { meanMs: delays.meanMs, p99Ms: delays.quantileMs(0.99), concealedPercent, skips };
}

function reference(trace: NamedTrace, rule: DelayRule): Figures {
  const buffer = new ReferenceBuffer(rule, trace.cardSkewPpm);
  const { delays, concealedPercent, skips } = buffer.run(arrivalsOf(trace), trace.seconds, loop());
  return { meanMs: delays.meanMs, p99Ms: delays.quantileMs(0.99), concealedPercent, skips };
}

export const fixed60 = (trace: NamedTrace): Figures => reference(trace, new FixedDelay(60));
export const quantile95 = (trace: NamedTrace): Figures => reference(trace, new QuantileDelay(0.95));
