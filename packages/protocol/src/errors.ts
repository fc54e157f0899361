/**
 * Stable error codes of the wire. A client branches on the code and on `retryable`, never on the
 * text.
 */
export const errorCodes = [
  'AUDIO_ALREADY_RUNNING',
  'BAD_PARAMS',
  'CONNECTION_CLOSED',
  'DEADLINE_EXCEEDED',
  'FORBIDDEN',
  'HELLO_EXPECTED',
  'INTERNAL',
  'MALFORMED_MESSAGE',
  'MESSAGE_TOO_LARGE',
  'PIPELINE_UNAVAILABLE',
  'PROTOCOL_VERSION',
  'ROLE_REFUSED',
  'SLOW_CONSUMER',
  'TOO_MANY_CLIENTS',
  'TOO_MANY_REQUESTS',
  'UNKNOWN_METHOD',
] as const;

export type ErrorCode = (typeof errorCodes)[number];

const retryableCodes: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'AUDIO_ALREADY_RUNNING',
  'CONNECTION_CLOSED',
  'DEADLINE_EXCEEDED',
  'PIPELINE_UNAVAILABLE',
  'SLOW_CONSUMER',
  'TOO_MANY_CLIENTS',
  'TOO_MANY_REQUESTS',
]);

/** An error as it crosses a socket: in a response, or in the notification `error` before a close. */
export type WireError = {
  code: ErrorCode;
  message: string;
  /** The same call may succeed later without a change on the caller's side. */
  retryable: boolean;
  /** Facts for the code, for example both protocol versions. */
  data?: Record<string, unknown>;
};

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What went wrong between a client and the daemon. The text is for people. */
export class ProtocolError extends Error {
  /** Stable: a caller branches on it. */
  readonly code: ErrorCode;
  /** The same call may succeed later without a change on the caller's side. */
  readonly retryable: boolean;
  /** Facts for the code, for example both protocol versions. */
  readonly data: Record<string, unknown> | undefined;

  constructor(code: ErrorCode, message: string, data?: Record<string, unknown>) {
    super(message);
    this.name = 'ProtocolError';
    this.code = code;
    this.retryable = retryableCodes.has(code);
    this.data = data;
  }

  toWire(): WireError {
    const { code, message, retryable, data } = this;
    return data === undefined ? { code, message, retryable } : { code, message, retryable, data };
  }

  /** An error that the other end sent. Codes that this version does not know become INTERNAL. */
  static fromWire(value: unknown): ProtocolError {
    // Nothing of it is turned into text before its type is known: `{ toString: 1 }` would throw.
    const { code, message, data } = (value ?? {}) as Record<string, unknown>;
    const known = errorCodes.find((c) => c === code);
    const without = typeof code === 'string' ? `error ${code} without a message` : 'unknown error';
    const text = typeof message === 'string' ? message : without;
    return new ProtocolError(known ?? 'INTERNAL', text, isMap(data) ? data : undefined);
  }

  /** What is told to a client when our own code threw: typed errors as they are. */
  static from(error: unknown): ProtocolError {
    if (error instanceof ProtocolError) return error;
    return new ProtocolError('INTERNAL', error instanceof Error ? error.message : String(error));
  }
}
