import { type Check, integer, real, type Shaped, shape, text } from './fields.js';
import { checkStreamFormat } from './format.js';

const minuteMs = 60_000;

const sourceFeedbackFields = {
  /** Packets that did not come, or came too late, since the last feedback. 0 to 100. */
  lossPercent: real(0, 100),
  /** How much the arrivals of packets vary, in milliseconds. 0 to 60,000. */
  jitterMs: real(0, minuteMs),
  /** Audio that waits between the socket and the card, in milliseconds. 0 to 60,000. */
  playoutDelayMs: real(0, minuteMs),
};

/**
 * What the output pipeline tells its source each 2.5 s, so that it can set FEC and bitrate.
 * @interface
 */
export type SourceFeedback = Shaped<typeof sourceFeedbackFields>;

const clientStatsFields = {
  /** Frames that the client has received since it began. */
  framesReceived: integer(0, Number.MAX_SAFE_INTEGER),
  /** Frames that the client missed since its last report. 0 to 100. */
  lossPercent: real(0, 100),
  /** How much the arrivals at the client vary, in milliseconds. 0 to 60,000. */
  jitterMs: real(0, minuteMs),
  /** Audio that waits in the client, in milliseconds. 0 to 60,000. */
  bufferMs: real(0, minuteMs),
};

/**
 * What a client may tell of itself; the daemon shows it beside its own figures.
 * @interface
 */
export type ClientStats = Shaped<typeof clientStatsFields>;

/** Every notification from a pipeline to its clients, with the check of what it carries. */
export const serverNotices = {
  /** The stream's format changed; it holds from the next packet on. */
  'format.changed': checkStreamFormat,
  /** To a source, before its connection is closed: another one has its place. */
  'source.replaced': shape({ by: text() }),
  /** To a source, each 2.5 s. */
  'source.feedback': shape(sourceFeedbackFields),
} as const;

/** Every notification from a client to a pipeline, with the check of what it carries. */
export const clientNotices = {
  /** The client's own counters, as often as it likes. */
  'client.stats': shape(clientStatsFields),
} as const;

type Checks = Record<string, Check<unknown>>;

/** A notification of a map by its name, with what it carries. */
export type NoticeOf<Map extends Checks> = {
  [M in keyof Map & string]: { method: M; params: ReturnType<Map[M]> };
}[keyof Map & string];

/**
 * Checks a notification that came from a socket.
 *
 * @returns undefined for a method that is not in the map: a newer peer may send more.
 * @throws ProtocolError BAD_PARAMS, naming the field.
 */
export function readNotice<Map extends Checks>(
  notices: Map,
  method: string,
  params: unknown,
): NoticeOf<Map> | undefined {
  if (!Object.hasOwn(notices, method)) return undefined;
  return { method, params: notices[method]?.(params, method) } as NoticeOf<Map>;
}
