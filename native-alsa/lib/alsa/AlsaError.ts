import { constants } from 'node:os';

export type AlsaErrorCode =
  | 'ALSA_UNKNOWN_PCM'
  | 'ALSA_OPEN_FAILED'
  | 'ALSA_PARAMS_REFUSED'
  | 'ALSA_DEVICE_GONE'
  | 'ALSA_IO';

/** What the addon reports of a stream that ended. */
export type Failure = {
  code: AlsaErrorCode;
  call: string;
  errno: number;
  deviceGone: boolean;
  retryable: boolean;
  detail: string;
};

/** Those that ALSA uses and Node has no names for (Linux, asm-generic/errno.h). */
const errnoNamesOfAlsa: readonly (readonly [number, string])[] = [
  [77, 'EBADFD'],
  [86, 'ESTRPIPE'],
  [108, 'ESHUTDOWN'],
];

const errnoNames = new Map<number, string>([
  ...Object.entries(constants.errno).map(([name, value]) => [value, name] as const),
  [constants.errno.EAGAIN, 'EAGAIN'],
  ...errnoNamesOfAlsa,
]);

export function errnoName(errno: number): string {
  return errnoNames.get(errno) ?? `E${errno}`;
}

/** Why a stream ended or did not begin. Branch on `code`, `deviceGone` and `retryable`. */
export class AlsaError extends Error {
  readonly code: AlsaErrorCode;
  /** positive, as in errno.h */
  readonly errno: number;
  readonly errnoName: string;
  /** the libasound function, such as `snd_pcm_readi` */
  readonly call: string;
  readonly device: string;
  /** what ALSA says of it, in words */
  readonly detail: string;
  /** the card is not there; it may come back */
  readonly deviceGone: boolean;
  /** trying again later may succeed */
  readonly retryable: boolean;

  constructor(device: string, failure: Failure) {
    const name = errnoName(failure.errno);
    // libasound's own text for it is that of whatever it looked for.
    const gone = failure.call === 'snd_pcm_open' ? 'the card is not there' : 'the card has gone';
    const what = failure.deviceGone ? `${gone}: ${failure.detail}` : failure.detail;
    super(`ALSA device "${device}": ${what} (${failure.call}: ${name})`);
    this.name = 'AlsaError';
    this.code = failure.code;
    this.errno = failure.errno;
    this.errnoName = name;
    this.call = failure.call;
    this.device = device;
    this.detail = failure.detail;
    this.deviceGone = failure.deviceGone;
    this.retryable = failure.retryable;
  }
}
