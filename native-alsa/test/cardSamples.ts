import type { CardShape } from './VirtualCard.js';
import { sampleBytes } from './VirtualCard.js';

/** Bits of a sample that count, and where they begin in what it takes in memory. */
const bits = { S16_LE: 16, S32_LE: 32, S24_LE: 24, S24_3LE: 24 } as const;

/** Values of the scale of S16, fractions too, as the samples of a card. */
export function encode(values: ArrayLike<number>, { format }: CardShape): Buffer {
  const width = sampleBytes[format];
  const scale = 2 ** (bits[format] - 16);
  const bytes = Buffer.alloc(width * values.length);
  for (let i = 0; i < values.length; i++) {
    bytes.writeIntLE(Math.round(values[i]! * scale), i * width, width);
  }
  return bytes;
}

/** The samples of a card as values of the scale of S16. */
export function decode(bytes: Buffer, { format }: CardShape): Float64Array {
  const width = sampleBytes[format];
  const scale = 2 ** (bits[format] - 16);
  return Float64Array.from(
    { length: Math.floor(bytes.length / width) },
    (_, i) => bytes.readIntLE(i * width, width) / scale,
  );
}

/** One channel of interleaved samples. */
export function channel(values: ArrayLike<number>, index: number, channels: number): Float64Array {
  return Float64Array.from(
    { length: Math.floor(values.length / channels) },
    (_, i) => values[i * channels + index]!,
  );
}

/** The same signal in each channel. */
export function spread(values: ArrayLike<number>, channels: number): Float64Array {
  return Float64Array.from(
    { length: values.length * channels },
    (_, i) => values[Math.floor(i / channels)]!,
  );
}
