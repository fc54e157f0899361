/** Nobody reads any more (`| head`): the end, but no failure. Anything else is told. */
export function isFailure(error: NodeJS.ErrnoException): boolean {
  return error.code !== 'EPIPE';
}

export function tellOutputLost(error: NodeJS.ErrnoException): void {
  if (isFailure(error)) {
    console.error(`kvm-audioctl: standard output cannot be written (${error.code})`);
  }
}

function endHere(error: NodeJS.ErrnoException): void {
  tellOutputLost(error);
  process.exit(isFailure(error) ? 1 : 0);
}

/**
 * What becomes of this program when its standard streams cannot be written. Output: it ends. Error:
 * it goes on, as what it does is worth more than what it says about it.
 */
export function guardStandardStreams(): void {
  process.stdout.on('error', endHere);
  process.stderr.on('error', () => undefined);
}

/** For a command that has to clean up: `stop` is called instead of an end on the spot. */
export function whenOutputIsLost(stop: (error: NodeJS.ErrnoException) => void): void {
  process.stdout.off('error', endHere).on('error', stop);
}
