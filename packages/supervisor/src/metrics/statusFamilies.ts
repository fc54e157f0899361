import { processStates, streamStates } from '@kvm-audio/protocol';
import {
  byKey,
  captured,
  each,
  eachStream,
  inPools,
  lately,
  one,
  played,
  ratio,
  rounded,
  type StatusFamily,
  seconds,
  states,
  summary,
  told,
  used,
} from './families.js';
import type { Family } from './OpenMetricsText.js';

type Samples = StatusFamily['samples'];

const prefix = 'kvm_audio_';
/** Units that a name may end in. */
const units = ['seconds', 'bytes', 'ratio', 'ppm', 'frames'] as const;

function family(type: Family['type'], name: string, help: string, samples: Samples): StatusFamily {
  const unit = units.find((ending) => name.endsWith(`_${ending}`));
  return { name: prefix + name, type, ...(unit ? { unit } : {}), help, samples };
}

const gauge = (name: string, help: string, samples: Samples) =>
  family('gauge', name, help, samples);
const counter = (name: string, help: string, samples: Samples) =>
  family('counter', name, help, samples);

const daemon: StatusFamily[] = [
  gauge('info', 'Always 1; the label has the version of the daemon.', ({ version }) => [
    { labels: { version }, value: 1 },
  ]),
  gauge(
    'uptime_seconds',
    'Time since the daemon started.',
    one(({ uptimeMs }) => seconds(uptimeMs)),
  ),
  gauge(
    'process_cpu_ratio',
    'CPU time of the process over the last second, of one core: 1 is a whole core.',
    used(({ cpuPercent }) => ratio(cpuPercent)),
  ),
  gauge(
    'process_memory_ratio',
    'Resident memory of the process, of all that the machine has.',
    used(({ memoryPercent }) => ratio(memoryPercent)),
  ),
  gauge(
    'process_resident_memory_bytes',
    'Resident memory of the process.',
    used(({ residentBytes }) => residentBytes),
  ),
];

const pipelines: StatusFamily[] = [
  gauge(
    'pipeline_state',
    'State of the process of the pipeline: 1 for the one that it is in, 0 for the others.',
    each(({ state }) => states(processStates, state)),
  ),
  counter(
    'restarts',
    'Restarts of the pipeline since the daemon started.',
    each(({ restarts }) => [{ value: restarts }]),
  ),
  counter(
    'down_seconds',
    'Time in which the pipeline did not run although it should: its process had died, or hung.',
    each(({ downMs }) => [{ value: seconds(downMs) }]),
  ),
  gauge(
    'last_exit_timestamp_seconds',
    'When the last process of the pipeline ended that was not told to, in Unix time.',
    each(({ lastExitAtMs }) => [{ value: seconds(lastExitAtMs) }]),
  ),
  gauge(
    'report_age_seconds',
    'Time since the pipeline told its figures, as it does when it is asked, and each 2.5 s.',
    each(({ reportAgeMs }) => [{ value: seconds(reportAgeMs) }]),
  ),
  gauge(
    'stream_state',
    'State of the sound in the pipeline: 1 for the one that it is in, 0 for the others.',
    eachStream(({ state }) => states(streamStates, state)),
  ),
];

const clients: StatusFamily[] = [
  gauge(
    'clients',
    'Clients that are connected.',
    told((stream) => stream.clients),
  ),
  counter(
    'connections_refused',
    'Clients that were turned away: forbidden, or one too many.',
    told(({ connectionsRefused }) => connectionsRefused),
  ),
  counter(
    'connection_drops',
    'Clients that were lost: broke a rule of the protocol, did not read, or their connection broke.',
    told(({ connectionDrops }) => connectionDrops),
  ),
];

const frames: StatusFamily[] = [
  counter(
    'frames_received',
    'Frames from the card (input), packets from the source (output).',
    told(({ framesReceived }) => framesReceived),
  ),
  gauge(
    'last_frame_timestamp_seconds',
    'When the newest of them came, in Unix time.',
    told(({ lastFrameAtMs }) => seconds(lastFrameAtMs)),
  ),
  counter(
    'packets_sent',
    'Packets sent, to all clients together.',
    captured(({ packetsSent }) => packetsSent),
  ),
  counter(
    'payload_bytes',
    'Opus payload that was made of frames (input), that came in packets (output).',
    told(({ bytes }) => bytes),
  ),
  counter(
    'frames_dropped',
    'Frames and packets that were dropped, by the place where it happened.',
    eachStream(({ drops }) => byKey('place', drops)),
  ),
];

const devices: StatusFamily[] = [
  counter(
    'xruns',
    'Underruns and overruns of the card.',
    told(({ xruns }) => xruns),
  ),
  counter(
    'underruns',
    'Times that the playback ring ran dry while sound was expected.',
    played(({ underruns }) => underruns),
  ),
  gauge(
    'device_call_seconds',
    'For how long a call on the card has not returned; 0: none hangs.',
    told(({ callMs }) => seconds(callMs)),
  ),
  gauge(
    'drift_ppm',
    'How much faster the clock of the source is than that of the card, in parts per million.',
    played(({ driftPpm }) => (driftPpm === null ? null : rounded(driftPpm))),
  ),
  gauge(
    'drift_correction_ppm',
    'How much faster than nominal the stream is played for it, in parts per million.',
    played(({ correctionPpm }) => rounded(correctionPpm)),
  ),
];

const playout: StatusFamily[] = [
  gauge(
    'playout_target_seconds',
    'Sound that is to be unplayed when a packet comes: the margin that is wanted.',
    played(({ targetMs }) => seconds(targetMs)),
  ),
  gauge(
    'playout_margin_seconds',
    'Sound that was unplayed when packets came lately, a mean.',
    played(({ marginMs }) => seconds(marginMs)),
  ),
  counter(
    'concealed_seconds',
    'Sound that was made up for missing packets.',
    played(({ concealedMs }) => seconds(concealedMs)),
  ),
  counter(
    'trimmed_seconds',
    'Sound that was cut out to get back to the margin.',
    played(({ trimmedMs }) => seconds(trimmedMs)),
  ),
  counter(
    'inserted_seconds',
    'Sound that was put in to get back to the margin.',
    played(({ insertedMs }) => seconds(insertedMs)),
  ),
  counter(
    'unheard_seconds',
    'Sound that came and that no card played: none was there, or it stood still.',
    played(({ unheardMs }) => seconds(unheardMs)),
  ),
];

const buffers: StatusFamily[] = [
  gauge(
    'queue_seconds',
    'How long sound waits now: in the jitter buffer and the ring, or for a client on average.',
    told(({ queueMs }) => seconds(queueMs)),
  ),
  gauge(
    'queue_capacity_seconds',
    'How much sound may wait there.',
    told(({ capacity }) => seconds(capacity.ms)),
  ),
  counter(
    'queue_target_wins',
    'Sizes of that queue that were too small for the playout target, which held instead.',
    played(({ capacity }) => capacity.targetWins),
  ),
  gauge(
    'buffer_size_frames',
    'The size of that queue that the adaptive buffer chose, in frames.',
    ({ buffers: { output_buffer_size, input_buffer_size } }) =>
      byKey('direction', { output: output_buffer_size, input: input_buffer_size }),
  ),
  gauge(
    'buffer_average_latency_seconds',
    'What the adaptive buffer follows: time in both queues together, smoothed.',
    one(({ buffers: { average_latency_ms } }) => seconds(average_latency_ms)),
  ),
  gauge(
    'buffer_cpu_ratio',
    'What the adaptive buffer follows: CPU of both pipelines together, of one core.',
    one(({ buffers: { system_cpu_percent } }) => ratio(system_cpu_percent)),
  ),
  gauge(
    'buffer_memory_ratio',
    'What the adaptive buffer follows: mean of the memory of both pipelines, of the machine.',
    one(({ buffers: { system_memory_percent } }) => ratio(system_memory_percent)),
  ),
  counter(
    'buffer_adaptations',
    'Times that the adaptive buffer changed a size.',
    one(({ buffers: { adaptation_count } }) => adaptation_count),
  ),
  gauge(
    'buffer_last_adaptation_timestamp_seconds',
    'When it did last, in Unix time.',
    one(({ buffers: { last_adaptation } }) => seconds(last_adaptation)),
  ),
];

const latency: StatusFamily[] = [
  family(
    'summary',
    'latency_seconds',
    'The whole way: from capture to the socket (input), from capture or arrival to the ear (output).',
    eachStream((stream) => summary(stream.latency)),
  ),
  gauge(
    'latency_average_seconds',
    'Mean of the whole way over the last 10 to 20 s.',
    lately(({ meanMs }) => seconds(meanMs)),
  ),
  gauge(
    'latency_jitter_seconds',
    'Mean step of the whole way from one frame to the next, over the last 10 to 20 s.',
    lately(({ jitterMs }) => seconds(jitterMs)),
  ),
  gauge(
    'latency_trend_ratio',
    'Seconds by which the whole way gets longer each second, over the last minute.',
    lately(({ trendMsPerMinute }) => seconds(trendMsPerMinute / 60)),
  ),
  gauge(
    'latency_from_capture',
    '1: the whole way is counted from the capture of the sound; 0: from its arrival here.',
    told((stream) => Number(stream.latency.from === 'capture')),
  ),
  family(
    'summary',
    'stage_latency_seconds',
    'One stage of the way.',
    eachStream(({ stages }) =>
      Object.entries(stages).flatMap(([stage, figures]) => summary(figures, { stage })),
    ),
  ),
];

const optimiser: StatusFamily[] = [
  counter(
    'optimiser_steps',
    'Steps against latency, by their cause.',
    each((pipeline) => byKey('cause', pipeline.optimiser.steps)),
  ),
  counter(
    'optimiser_steps_undone',
    'Steps that were taken back, as the sound suffered or latency did not fall.',
    each((pipeline) => [{ value: pipeline.optimiser.undone }]),
  ),
  counter(
    'optimiser_steps_restored',
    'Steps that were given back after a long calm.',
    each((pipeline) => [{ value: pipeline.optimiser.restored }]),
  ),
];

const pools: StatusFamily[] = [
  gauge(
    'pool_slots',
    'Slots of memory that were allocated at the start.',
    inPools(({ slots }) => slots),
  ),
  gauge(
    'pool_slots_in_use',
    'Slots that are in use.',
    inPools(({ inUse }) => inUse),
  ),
  gauge(
    'pool_slots_peak',
    'Most slots that were in use at a time.',
    inPools(({ peak }) => peak),
  ),
  counter(
    'pool_hits',
    'Requests for a slot that were served.',
    inPools(({ hits }) => hits),
  ),
  counter(
    'pool_misses',
    'Requests for a slot that found none.',
    inPools(({ misses }) => misses),
  ),
];

/** Every metric of the daemon, in the order in which a person reads them. */
export const statusFamilies: readonly StatusFamily[] = [
  ...daemon,
  ...pipelines,
  ...clients,
  ...frames,
  ...devices,
  ...playout,
  ...latency,
  ...buffers,
  ...optimiser,
  ...pools,
];
