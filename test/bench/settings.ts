import { type EffectiveFormat, effectiveFormat, encoderSettings } from '@kvm-audio/audio';
import type { Application, FrameMs, QualityLevel } from '@kvm-audio/protocol';

/** One row of the table: what both are set to. */
export type Setting = {
  name: string;
  level: QualityLevel;
  /** Of the input. */
  profile: 'program' | 'microphone';
  frameMs?: FrameMs;
  application?: Application;
};

const program = 'program';
const microphone = 'microphone';

export const settings: readonly Setting[] = [
  { name: 'low', level: 'low', profile: program },
  { name: 'medium', level: 'medium', profile: program },
  { name: 'high', level: 'high', profile: program },
  { name: 'ultra', level: 'ultra', profile: program },
  { name: '5ms', level: 'medium', profile: program, frameMs: 5, application: 'lowdelay' },
  { name: 'mic-low', level: 'low', profile: microphone },
  { name: 'mic-medium', level: 'medium', profile: microphone },
  { name: 'mic-high', level: 'high', profile: microphone },
  { name: 'mic-ultra', level: 'ultra', profile: microphone },
];

/** @throws where there is none of that name. */
export function settingOf(name: string): Setting {
  const setting = settings.find((each) => each.name === name);
  if (!setting) throw new Error(`there is no setting ${name}`);
  return setting;
}

export function formatOf({ level, profile, frameMs, application }: Setting): EffectiveFormat {
  return effectiveFormat({
    direction: 'input',
    profile,
    level,
    frameMs,
    application,
    deviceChannels: 2,
  });
}

/** Numbers of opus_defines.h. */
const opus = {
  application: { voip: 2048, audio: 2049, lowdelay: 2051 },
  signal: { auto: -1000, voice: 3001, music: 3002 },
  bandwidth: { narrow: 1101, medium: 1102, wide: 1103, superwide: 1104, full: 1105 },
  auto: -1000,
} as const;

/** The same as arguments of test/bench/c/yardstick.c, with the daemon's period and buffer. */
export function yardstickArgs(setting: Setting): string[] {
  const format = formatOf(setting);
  const encoder = encoderSettings(format);
  const values = {
    period: 240,
    buffer: 4_800,
    frame: format.frameMs * 48,
    channels: 2,
    bitrate: encoder.bitrate,
    complexity: encoder.complexity,
    application: opus.application[format.application],
    signal: opus.signal[encoder.signal],
    bandwidth: opus.bandwidth[encoder.bandwidthMax],
    forced: encoder.forcedChannels || opus.auto,
  };
  return Object.entries(values).map(([key, value]) => `${key}=${value}`);
}
