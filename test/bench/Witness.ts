import { type ChildProcess, spawn } from 'node:child_process';
import { inRepository } from '../helpers/repository.js';

/** A stretch of CLOCK_MONOTONIC in which the machine ran nobody in time. */
export type BadWindow = { fromUs: number; untilUs: number };

/**
 * What is heard was captured, coded and queued up to this long ago: a stall in that time, or
 * shortly after, may be its cause.
 */
const beforeUs = 150_000;
const afterUs = 20_000;

/** Runs test/bench/c/witness.c beside the measurement. */
export class Witness {
  readonly windows: BadWindow[] = [];
  readonly #child: ChildProcess;
  #rest = '';

  constructor() {
    this.#child = spawn(inRepository('native-alsa/build/bench/witness'), {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => this.#read(text));
  }

  /** Whether the machine may be to blame for what happened from one time to another. */
  wasBad(fromUs: number, untilUs: number): boolean {
    return this.windows.some(
      (window) => window.untilUs > fromUs - beforeUs && window.fromUs < untilUs + afterUs,
    );
  }

  stop(): void {
    this.#child.kill('SIGTERM');
  }

  #read(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      const [word, from, until] = line.split(' ');
      if (word === 'late') this.windows.push({ fromUs: Number(from), untilUs: Number(until) });
    }
  }
}
