import type {
  LatencyCause,
  LatencyStage,
  OptimiserReport,
  PipelineTuning,
  TuningChange,
} from '@kvm-audio/protocol';
import { noSteps } from '@kvm-audio/protocol';

/** What one direction did since the last observation. */
export type Observation = {
  /** Over the limits, by itself or because the other direction waits for this one. */
  over: boolean;
  /** Below the target: nothing presses. */
  calm: boolean;
  averageMs: number;
  jitterMs: number;
  /** Means of its stages. */
  stagesMs: { [S in LatencyStage]?: number };
  tuning: PipelineTuning;
  frameMs: number;
  /** Of the pipeline's process, of one core; nil where it is not known. */
  cpuPercent: number | null;
  /** Since the pipeline's start: audio that was not there when it was due. */
  underruns: number;
  /** The same: sound that was made up for packets that came too late, or not at all. */
  concealedMs: number;
};

export type Step = {
  cause: LatencyCause;
  /** Nil for a backlog, which is skipped. */
  change: TuningChange | null;
  /** What takes the change back; nil where that cannot be. */
  undo: TuningChange | null;
};

export type Decision = {
  action: 'step' | 'undo' | 'restore';
  step: Step;
  reason: string;
};

export type OptimiserOptions = {
  /** Jitter above this is what the margin is for. */
  jitterMs: number;
  /** From a step until it is judged. */
  settleMs: number;
};

/** What is noticeable; less is not worth a step, and no success of one. */
const noticeableMs = 2;
const spareMsMin = 5;
/** What a stream starts with: what was not late lately may be so soon, and a hole costs more. */
const targetMsMin = 10;
/** So much over the target is no jitter. */
const backlogMs = 60;
/**
 * A process that takes more of a frame's time to come to it and to encode it lacks CPU; so does
 * one that has more of a core.
 */
const frameShareMax = 0.25;
const cpuPercentMax = 60;
/** More than this is the card's own: what it gives late goes with its period. */
const givenLateMsMax = 10;
/**
 * So much a card may hold whatever its shape: a USB card has up to 24 ms of transfers under way,
 * 18 ms by newer kernels (MAX_QUEUE of sound/usb/card.h).
 */
const heldMsMax = 24;
const worthwhileBufferMs = 20;
const periodMsMin = 2.5;
/** A step that was taken back is not tried again for so many settling times. */
const barredSettles = 20;
/** Complexity is given back after so many settling times of calm. */
const calmSettles = 20;
/** What is lost on the way differs from time to time: harm is more than so much of what was usual. */
const concealed = { times: 2, spareMs: 50 };

type Harm = Pick<Observation, 'underruns' | 'concealedMs'>;
type Pending = { step: Step; atMs: number; averageMs: number; counts: Harm; before: Harm };

/**
 * Decides what is to be changed where one direction is late: one step at a time, with the cause
 * that fits what was measured, judged after a while and taken back where it did harm or no good.
 * Pure: its clock is what it is told, and it carries nothing out.
 */
export class LatencyOptimiser {
  readonly #options: OptimiserOptions;
  readonly #barredUntilMs = new Map<LatencyCause, number>();
  /** Past observations: what is usual. */
  readonly #history: (Harm & { atMs: number })[] = [];
  readonly #given: Step[] = [];
  #pending: Pending | undefined;
  #calmSinceMs: number | undefined;
  #report: Omit<OptimiserReport, 'steps'> = { undone: 0, restored: 0, last: null };
  readonly #steps = noSteps();

  constructor(options: OptimiserOptions) {
    this.#options = options;
  }

  report(): OptimiserReport {
    return { steps: { ...this.#steps }, ...this.#report };
  }

  /** A step was taken and has not been judged. */
  get settling(): boolean {
    return this.#pending !== undefined;
  }

  /** The pipeline started anew: nothing of what was changed is left. The counters go on. */
  forget(): void {
    this.#pending = undefined;
    this.#calmSinceMs = undefined;
    this.#history.length = 0;
    this.#given.length = 0;
    this.#barredUntilMs.clear();
  }

  /** @returns what is to be done now, if anything. It counts as done. */
  observe(now: Observation, nowMs: number): Decision | undefined {
    const decision = this.#judge(now, nowMs) ?? this.#improve(now, nowMs) ?? this.#calm(now, nowMs);
    this.#remember(now, nowMs);
    if (decision) this.#note(decision);
    return decision;
  }

  #note({ action, step, reason }: Decision): void {
    if (action === 'step') this.#steps[step.cause] += 1;
    else if (action === 'undo') this.#report.undone += 1;
    else this.#report.restored += 1;
    this.#report.last = reason;
  }

  /** A step that has settled is kept, or taken back. */
  #judge(now: Observation, nowMs: number): Decision | undefined {
    const pending = this.#pending;
    if (!pending || nowMs - pending.atMs < this.#options.settleMs) return undefined;
    this.#pending = undefined;
    const { step, averageMs } = pending;
    const harm = harmOf(pending, now);
    const helped = now.averageMs <= averageMs - noticeableMs;
    if (!harm && helped) {
      if (step.cause === 'cpu') this.#given.push(step);
      return undefined;
    }
    this.#barredUntilMs.set(step.cause, nowMs + barredSettles * this.#options.settleMs);
    if (!step.undo) return undefined;
    const why = harm ?? 'latency did not fall';
    return { action: 'undo', step, reason: `${step.cause}: taken back, ${why}` };
  }

  #improve(now: Observation, nowMs: number): Decision | undefined {
    if (!now.over || this.#pending) return undefined;
    const spare = margin(now, this.#options.jitterMs);
    for (const found of [backlog(now), lackOfCpu(now), spare, period(now), buffer(now)]) {
      if (!found || nowMs < (this.#barredUntilMs.get(found.step.cause) ?? 0)) continue;
      this.#pending = {
        step: found.step,
        atMs: nowMs,
        averageMs: now.averageMs,
        counts: now,
        before: this.#usual(now, nowMs),
      };
      return { action: 'step', ...found };
    }
    return undefined;
  }

  /** What was taken from the quality for want of CPU is given back, the last first. */
  #calm({ calm }: Observation, nowMs: number): Decision | undefined {
    if (!calm || this.#pending || this.#given.length === 0) {
      this.#calmSinceMs = undefined;
      return undefined;
    }
    this.#calmSinceMs ??= nowMs;
    if (nowMs - this.#calmSinceMs < calmSettles * this.#options.settleMs) return undefined;
    this.#calmSinceMs = undefined;
    const step = this.#given.pop();
    return step && { action: 'restore', step, reason: `${step.cause}: given back, it is calm` };
  }

  #remember({ underruns, concealedMs }: Harm, atMs: number): void {
    this.#history.push({ atMs, underruns, concealedMs });
    while ((this.#history[1]?.atMs ?? atMs) <= atMs - this.#options.settleMs) this.#history.shift();
  }

  /** In the time that a step has to settle, before it. */
  #usual(now: Harm, nowMs: number): Harm {
    const oldest = this.#history[0];
    if (!oldest || nowMs === oldest.atMs) return { underruns: 0, concealedMs: 0 };
    return since(oldest, now);
  }
}

function since(before: Harm, now: Harm): Harm {
  return {
    underruns: now.underruns - before.underruns,
    concealedMs: now.concealedMs - before.concealedMs,
  };
}

/** @returns what a step has done to the sound, undefined where it has done nothing. */
function harmOf({ counts, before }: Pending, now: Harm): string | undefined {
  const { underruns, concealedMs } = since(counts, now);
  if (underruns > before.underruns) {
    return `${underruns} holes in the sound, ${before.underruns} before`;
  }
  if (concealedMs <= concealed.times * before.concealedMs + concealed.spareMs) return undefined;
  return `${concealedMs} ms were made up, ${before.concealedMs} before`;
}

type Found = { step: Step; reason: string };

const round = (ms: number): number => Math.round(10 * ms) / 10;

/** Audio that waits, and is no margin. */
function backlog({ stagesMs, tuning }: Observation): Found | undefined {
  if (tuning.targetMs === null) return undefined;
  const waitingMs = (stagesMs.queue ?? 0) + (stagesMs.device ?? 0) - tuning.beyondMs;
  if (waitingMs < tuning.targetMs + backlogMs) return undefined;
  const reason = `backlog: ${round(waitingMs)} ms wait for a target of ${round(tuning.targetMs)} ms`;
  return { step: { cause: 'backlog', change: null, undo: null }, reason };
}

function lackOfCpu({ stagesMs, tuning, frameMs, cpuPercent }: Observation): Found | undefined {
  const { complexity, beyondMs } = tuning;
  if (complexity === null || complexity === 0) return undefined;
  const waitMs = Math.max(0, (stagesMs.capture_wait ?? 0) - beyondMs);
  const takenMs = waitMs + (stagesMs.encode ?? 0);
  const busy = cpuPercent !== null && cpuPercent > cpuPercentMax;
  if (takenMs <= frameShareMax * frameMs && !busy) return undefined;
  const lower = Math.floor(complexity / 2);
  const cpu = cpuPercent === null ? '' : `, ${round(cpuPercent)} % CPU`;
  return {
    step: { cause: 'cpu', change: { complexity: lower }, undo: { complexity } },
    reason: `cpu: a frame of ${frameMs} ms takes ${round(takenMs)} ms${cpu}: complexity ${lower}`,
  };
}

function margin({ tuning, jitterMs }: Observation, jitterMsMax: number): Found | undefined {
  const { targetMs, spareMs } = tuning;
  if (targetMs === null || spareMs === null || jitterMs > jitterMsMax) return undefined;
  const less = Math.max(targetMsMin, targetMs - spareMs);
  if (spareMs < spareMsMin || less > targetMs) return undefined;
  return {
    step: { cause: 'margin', change: { targetMs: less }, undo: { targetMs } },
    reason: `margin: ${round(spareMs)} ms were never needed: target ${round(less)} ms`,
  };
}

/** What was captured waits in the card for the end of its period. */
function period({ tuning }: Observation): Found | undefined {
  const { beyondMs, periodMs, targetMs } = tuning;
  if (targetMs !== null || beyondMs <= givenLateMsMax) return undefined;
  const less = shorterMs(periodMs);
  if (less === periodMs) return undefined;
  return {
    step: { cause: 'buffer', change: { periodMs: less }, undo: { periodMs } },
    reason: `buffer: the card gives sound ${round(beyondMs)} ms late: period ${round(less)} ms`,
  };
}

/** A card holds so many periods, or what its buffer has: no figure tells which. */
function buffer({ tuning }: Observation): Found | undefined {
  const { beyondMs, bufferMs, bufferMsMin, periodMs, targetMs } = tuning;
  if (targetMs === null || beyondMs <= heldMsMax) return undefined;
  const smallerMs = Math.max(worthwhileBufferMs, bufferMsMin, bufferMs / 2);
  const less = { periodMs: shorterMs(periodMs), bufferMs: Math.min(bufferMs, smallerMs) };
  if (less.periodMs === periodMs && less.bufferMs === bufferMs) return undefined;
  const shape = `period ${round(less.periodMs)} ms, buffer ${round(less.bufferMs)} ms`;
  return {
    step: { cause: 'buffer', change: less, undo: { periodMs, bufferMs } },
    reason: `buffer: the card holds ${round(beyondMs)} ms more: ${shape}`,
  };
}

function shorterMs(periodMs: number): number {
  return Math.min(periodMs, Math.max(periodMsMin, periodMs / 2));
}
