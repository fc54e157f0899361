export type ResamplerErrorCode =
  | 'RESAMPLER_BAD_ARGUMENT'
  | 'RESAMPLER_CLOSED'
  | 'RESAMPLER_OUT_OF_MEMORY'
  | 'RESAMPLER_OVERFLOW'
  | 'RESAMPLER_OVERLAP'
  | 'RESAMPLER_UNKNOWN';

type Name = { code: ResamplerErrorCode; speexName: string; text: string };

/** Speex' return codes (speex_resampler.h); the addon answers 2 for a resampler that is closed. */
const names: Readonly<Record<number, Name>> = {
  1: {
    code: 'RESAMPLER_OUT_OF_MEMORY',
    speexName: 'RESAMPLER_ERR_ALLOC_FAILED',
    text: 'out of memory',
  },
  2: {
    code: 'RESAMPLER_CLOSED',
    speexName: 'RESAMPLER_ERR_BAD_STATE',
    text: 'the resampler is closed',
  },
  3: {
    code: 'RESAMPLER_BAD_ARGUMENT',
    speexName: 'RESAMPLER_ERR_INVALID_ARG',
    text: 'bad argument',
  },
  4: {
    code: 'RESAMPLER_OVERLAP',
    speexName: 'RESAMPLER_ERR_PTR_OVERLAP',
    text: 'input and output share memory',
  },
  5: {
    code: 'RESAMPLER_OVERFLOW',
    speexName: 'RESAMPLER_ERR_OVERFLOW',
    text: 'the ratio is out of range',
  },
};

export const SPEEX_BAD_STATE = 2;

/**
 * What a resampler throws. `code` is stable and is what a caller branches on; `speexCode` and
 * `speexName` are SpeexDSP's own; `call` is the function of SpeexDSP that failed.
 */
export class ResamplerError extends Error {
  readonly code: ResamplerErrorCode;
  readonly speexCode: number;
  readonly speexName: string;
  readonly call: string;

  constructor(call: string, speexCode: number) {
    const { code, speexName, text } = names[speexCode] ?? {
      code: 'RESAMPLER_UNKNOWN',
      speexName: `RESAMPLER_ERR ${speexCode}`,
      text: 'unknown error',
    };
    super(`${call}: ${text} (${speexName})`);
    this.name = 'ResamplerError';
    this.code = code;
    this.speexCode = speexCode;
    this.speexName = speexName;
    this.call = call;
  }
}
