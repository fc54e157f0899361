/** libopus' return codes (opus_defines.h) and the stable codes that callers branch on. */
const known: Readonly<Record<number, { opusName: string; code: string; text: string }>> = {
  [-1]: { opusName: 'OPUS_BAD_ARG', code: 'CODEC_BAD_ARGUMENT', text: 'bad argument' },
  [-2]: { opusName: 'OPUS_BUFFER_TOO_SMALL', code: 'CODEC_BUFFER_TOO_SMALL', text: 'no room' },
  [-3]: { opusName: 'OPUS_INTERNAL_ERROR', code: 'CODEC_INTERNAL', text: 'internal error' },
  [-4]: { opusName: 'OPUS_INVALID_PACKET', code: 'CODEC_INVALID_PACKET', text: 'corrupt packet' },
  [-5]: { opusName: 'OPUS_UNIMPLEMENTED', code: 'CODEC_UNIMPLEMENTED', text: 'not implemented' },
  [-6]: { opusName: 'OPUS_INVALID_STATE', code: 'CODEC_INVALID_STATE', text: 'invalid state' },
  [-7]: { opusName: 'OPUS_ALLOC_FAIL', code: 'CODEC_OUT_OF_MEMORY', text: 'out of memory' },
};

export const OPUS_BAD_ARG = -1;
export const OPUS_BUFFER_TOO_SMALL = -2;
export const OPUS_INTERNAL_ERROR = -3;
export const OPUS_INVALID_PACKET = -4;
export const OPUS_UNIMPLEMENTED = -5;
export const OPUS_INVALID_STATE = -6;

/**
 * A failed codec call. `code` is stable: CODEC_INVALID_PACKET for what came from outside,
 * CODEC_UNAVAILABLE for a backend that does not load, CODEC_CLOSED, CODEC_BAD_ARGUMENT, …
 */
export class CodecError extends Error {
  readonly code: string;
  readonly opusCode: number;
  readonly opusName: string;
  /** the libopus function or control that failed */
  readonly call: string;

  constructor(
    call: string,
    opusCode: number,
    detail: { code?: string; message?: string; cause?: unknown } = {},
  ) {
    const entry = known[opusCode] ?? known[OPUS_INTERNAL_ERROR]!;
    super(
      `${call}: ${detail.message ?? entry.text} (${entry.opusName})`,
      detail.cause === undefined ? undefined : { cause: detail.cause },
    );
    this.name = 'CodecError';
    this.code = detail.code ?? entry.code;
    this.opusCode = opusCode;
    this.opusName = entry.opusName;
    this.call = call;
  }
}

export function closedError(call: string): CodecError {
  return new CodecError(call, OPUS_INVALID_STATE, {
    code: 'CODEC_CLOSED',
    message: 'the codec is closed',
  });
}
