import { effectiveFormat, encoderSettings } from './effectiveFormat.js';
import { isQualityLevel, type QualityLevel, qualityLevels } from './qualityLevels.js';

const formatOf = (
  direction: 'output' | 'input',
  profile: 'microphone' | 'program',
  level: QualityLevel,
) => effectiveFormat({ direction, profile, level, deviceChannels: 2 });

describe('the quality levels', () => {
  // level, kbps, Hz, channels, frame ms, application, signal, bandwidth
  const output = [
    ['low', 32, 24_000, 1, 20, 'audio', 'voice', 'superwide'],
    ['medium', 96, 48_000, 2, 20, 'audio', 'auto', 'full'],
    ['high', 192, 48_000, 2, 20, 'audio', 'music', 'full'],
    ['ultra', 320, 48_000, 2, 10, 'audio', 'music', 'full'],
  ] as const;
  const microphone = [
    ['low', 16, 16_000, 1, 20, 'audio', 'voice', 'wide'],
    ['medium', 64, 48_000, 1, 20, 'audio', 'auto', 'full'],
    ['high', 128, 48_000, 1, 20, 'audio', 'music', 'full'],
    ['ultra', 256, 48_000, 1, 10, 'audio', 'music', 'full'],
  ] as const;

  const rowOf = (format: ReturnType<typeof effectiveFormat>) => [
    format.level,
    format.bitrate / 1000,
    format.rate,
    format.channels,
    format.frameMs,
    format.application,
    format.signal,
    format.bandwidthMax,
  ];

  test('are those of the table for the output', () => {
    expect(qualityLevels.map((level) => rowOf(formatOf('output', 'microphone', level)))).toEqual(
      output,
    );
  });

  test('are those of the table for a microphone', () => {
    expect(qualityLevels.map((level) => rowOf(formatOf('input', 'microphone', level)))).toEqual(
      microphone,
    );
  });

  test('are those of the output for an input that captures a program', () => {
    expect(qualityLevels.map((level) => rowOf(formatOf('input', 'program', level)))).toEqual(
      output,
    );
  });

  test('are four, and nothing else is one', () => {
    expect(['low', 'medium', 'high', 'ultra'].every(isQualityLevel)).toBe(true);
    expect(['best', '', 'toString', 3, undefined].some(isQualityLevel)).toBe(false);
  });
});

describe('an effective format', () => {
  test('takes frame length and application apart from the level', () => {
    const format = effectiveFormat({
      direction: 'input',
      profile: 'program',
      level: 'ultra',
      frameMs: 5,
      application: 'lowdelay',
      deviceChannels: 2,
    });
    expect(format).toMatchObject({ frameMs: 5, application: 'lowdelay', bitrate: 320_000 });
  });

  test('forces the channels only where the device has more than the level codes', () => {
    expect(formatOf('output', 'microphone', 'low').forcedChannels).toBe(1);
    expect(formatOf('output', 'microphone', 'medium').forcedChannels).toBe(0);
    const mono = { direction: 'output', profile: 'program', deviceChannels: 1 } as const;
    expect(effectiveFormat({ ...mono, level: 'high' })).toMatchObject({
      channels: 1,
      forcedChannels: 0,
    });
  });

  test('stays within what libopus takes for one channel', () => {
    const format = effectiveFormat({
      direction: 'output',
      profile: 'program',
      level: 'ultra',
      deviceChannels: 1,
    });
    expect(format.bitrate).toBe(300_000);
  });

  test('has room for the longest packet of its frame length, below the 4,096 of the protocol', () => {
    const bytes = ([2.5, 5, 10, 20, 40, 60] as const).map(
      (frameMs) =>
        effectiveFormat({
          direction: 'output',
          profile: 'program',
          level: 'high',
          frameMs,
          deviceChannels: 2,
        }).maxPacketBytes,
    );
    expect(bytes).toEqual([1276, 1276, 1276, 1276, 2554, 3831]);
  });

  test('becomes encoder settings, with the tuning on top', () => {
    const format = formatOf('input', 'microphone', 'low');
    expect(encoderSettings(format)).toEqual({
      bitrate: 16_000,
      complexity: format.complexity,
      vbr: true,
      constrainedVbr: true,
      dtx: false,
      fec: false,
      expectedLossPercent: 0,
      signal: 'voice',
      bandwidthMax: 'wide',
      forcedChannels: 1,
    });
    const tuning = { complexity: 1, dtx: true, fec: true, expectedLossPercent: 7, vbr: false };
    expect(encoderSettings(format, tuning)).toMatchObject(tuning);
  });
});
