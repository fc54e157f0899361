import type { Direction, QualityLevel, StreamFormat } from './format.js';
import type { LatencySummary, OptimiserReport, PipelineTuning, StageLatencies } from './latency.js';
import type { ClientStats } from './notices.js';

export const processStates = [
  'stopped',
  'starting',
  'running',
  'backoff',
  'failed',
  'stopping',
] as const;
/** State of a pipeline's process, as the supervisor sees it. */
export type ProcessState = (typeof processStates)[number];

export const streamStates = [
  'starting',
  'idle',
  'running',
  'degraded',
  'no-device',
  'host-idle',
  'no-signal',
  'stopping',
] as const;
/** State of the audio inside a running pipeline. */
export type StreamState = (typeof streamStates)[number];

/** Every place where audio can be dropped, by name. Counted in whole packets or frames. */
export const dropPlaces = [
  'capture_ring_full',
  'pool_empty',
  'encode_error',
  'send_queue_full',
  'late_packet',
  'duplicate_packet',
  'jitter_overflow',
  'decode_error',
  'playback_ring_full',
  'card_standstill',
  'no_device',
] as const;
export type DropPlace = (typeof dropPlaces)[number];
export type DropCounts = Record<DropPlace, number>;

/** What a client told of itself, with the name that it gave in its hello. */
export type ClientReport = { client: string } & ClientStats;

/** What a card itself runs at; the daemon converts where that is not the stream's. */
export type CardReport = {
  name: string;
  rate: number;
  channels: number;
  /** As ALSA names it, such as S16_LE. */
  format: string;
};

/** How much may wait in a pipeline's own queue: each client's in the input, the jitter buffer. */
export type QueueCapacity = {
  /** The size that is set; nil: none is, the bound is a fixed time. */
  frames: number | null;
  /** What that comes to, with frames of the present length. */
  ms: number;
  /** How often the playout target and one frame came to be more than the size, and held instead. */
  targetWins: number;
};

/** Capacities of the queues, and what they follow. Figures are nil before they are measured. */
export type BufferStats = {
  /** In frames. */
  input_buffer_size: number;
  output_buffer_size: number;
  average_latency_ms: number | null;
  /** Sum of both pipelines, of one core. */
  system_cpu_percent: number | null;
  /** Mean of both pipelines. */
  system_memory_percent: number | null;
  /** How often a size changed. */
  adaptation_count: number;
  /** When one did last, in milliseconds since 1970. */
  last_adaptation: number | null;
};

/** Of a pool of slots, all allocated at the start. */
export type PoolStats = {
  slots: number;
  inUse: number;
  /** Most slots in use at one time. */
  peak: number;
  /** Requests that were served. */
  hits: number;
  /**
   * Requests that found none: an audio packet was dropped then (`pool_empty`), a control message
   * taken from the heap.
   */
  misses: number;
};

/** What a pipeline tells the supervisor with each heartbeat. Counters count since its start. */
export type PipelineReport = {
  state: StreamState;
  /** Why, for degraded, no-device and the like; else nil. */
  reason: string | null;
  device: string;
  /** Nil while the device is not open. */
  card: CardReport | null;
  format: StreamFormat;
  clients: number;
  /** Clients that were turned away before they said hello: forbidden, or one too many. */
  connectionsRefused: number;
  /**
   * Clients that were lost after their hello: they broke a rule of the protocol, did not read what
   * they were sent, or their connection broke, as that of who closes it with something unread. Who
   * just closes it is not counted.
   */
  connectionDrops: number;
  framesReceived: number;
  /** When the newest of them came, in milliseconds since 1970; nil before the first. */
  lastFrameAtMs: number | null;
  packetsSent: number;
  bytes: number;
  drops: DropCounts;
  /**
   * How long audio waits in our own queues now, without the frame itself, the codec and the card,
   * in milliseconds. Output: jitter buffer and ring. Input: what is queued for a client, on average.
   */
  queueMs: number;
  capacity: QueueCapacity;
  /** Audio that was made up for missing packets, in milliseconds. */
  concealedMs: number;
  /** Audio that was cut out to get back to the wanted margin, in milliseconds. */
  trimmedMs: number;
  /** Audio that was put in to get back to the wanted margin, in milliseconds. */
  insertedMs: number;
  /**
   * Audio that came and that no card played, in milliseconds: none was there, or it stood still. What
   * a source could not send while there was no process is not in it; see `downMs`.
   */
  unheardMs: number;
  /**
   * By how much the source's clock is faster than the card's, in parts per million; nil while it is
   * not known, as in the first seconds of a stream.
   */
  driftPpm: number | null;
  /** By how much the stream is played faster than the card's nominal pace. */
  correctionPpm: number;
  /** What does it: the card's own pitch control, or the resampler (at least a part); nil: nothing. */
  correctedBy: 'pitch' | 'resampler' | null;
  /** Output: audio that is to be unplayed when a punctual packet comes. Input: nil. */
  targetMs: number | null;
  /** Output: audio that was unplayed when packets came lately, a mean; nil without packets. */
  marginMs: number | null;
  /** Events in which the playback ring ran dry while audio was expected. */
  underruns: number;
  /**
   * For how long the device's thread has been inside a call on the card that does not return, in
   * milliseconds; 0: it is not.
   */
  callMs: number;
  /** Under- or overruns of the card itself. */
  xruns: number;
  /**
   * Output: from capture (or arrival) to the speaker, codec included. Input: from the capture of a
   * frame's first sample until it was handed to the sockets.
   */
  latency: LatencySummary;
  /** The stages of this direction. */
  stages: StageLatencies;
  tuning: PipelineTuning;
  /** The pooled memory: of audio packets, and of control messages. */
  pools: { packets: PoolStats; control: PoolStats };
  /** What clients told of themselves: the newest of each that did. */
  clientFigures: ClientReport[];
};

/** What a process takes of the machine. */
export type ProcessUsage = {
  /** Of one core, between the last two looks, 2.5 s apart; nil before the second. */
  cpuPercent: number | null;
  /** Resident memory, of all that the machine has. */
  memoryPercent: number;
  residentBytes: number;
};

export type PipelineStatus = {
  direction: Direction;
  /** Process id, nil while there is no process. */
  pid: number | null;
  state: ProcessState;
  /** Restarts since the daemon started. */
  restarts: number;
  /**
   * For how long it did not run although it should, since the daemon started: from the death, or the
   * hang's discovery, of a process that had been ready until the next one is. A process that starts
   * for the first time is not in it, nor one that was told to stop; an outage that lasts is.
   */
  downMs: number;
  /**
   * How the last process ended, and why where that is known: `killed by SIGKILL` by somebody,
   * `killed by the supervisor (SIGKILL): no heartbeat for 4.5 s`; nil if none did.
   */
  lastExit: string | null;
  /** When that was, in milliseconds since 1970, by today's clock; nil if none ended. */
  lastExitAtMs: number | null;
  /** Milliseconds until the next try, while in backoff or failed. */
  retryAfterMs: number | null;
  level: QualityLevel;
  /** The newest report of the running process; nil before its first. */
  stream: PipelineReport | null;
  /**
   * Milliseconds since `stream` came: the pipeline is asked for it with the status, and tells it each
   * 2.5 s. More than that says that it does not answer; nil where `stream` is.
   */
  reportAgeMs: number | null;
  /** Of the process, as it was at the last sample; nil before its first. */
  usage: ProcessUsage | null;
  /** What was done against latency. */
  optimiser: OptimiserReport;
};

export type DaemonStatus = {
  pid: number;
  version: string;
  uptimeMs: number;
  /** Of the supervisor itself; nil before the first sample. */
  usage: ProcessUsage | null;
  buffers: BufferStats;
  output: PipelineStatus;
  input: PipelineStatus;
};

export function noDrops(): DropCounts {
  return Object.fromEntries(dropPlaces.map((place) => [place, 0])) as DropCounts;
}

/** What a report says of playing where nothing is played. */
export const noPlayout = Object.freeze({
  concealedMs: 0,
  trimmedMs: 0,
  insertedMs: 0,
  unheardMs: 0,
  driftPpm: null,
  correctionPpm: 0,
  correctedBy: null,
  targetMs: null,
  marginMs: null,
  underruns: 0,
} satisfies Partial<PipelineReport>);
