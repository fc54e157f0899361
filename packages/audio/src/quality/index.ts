export {
  type EffectiveFormat,
  type EncoderTuning,
  effectiveFormat,
  encoderSettings,
  type FormatRequest,
} from './effectiveFormat.js';
export {
  type Direction,
  type InputProfile,
  isQualityLevel,
  type QualityLevel,
  qualityLevels,
  qualityTable,
} from './qualityLevels.js';
