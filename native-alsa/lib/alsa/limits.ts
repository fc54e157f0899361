/** Bounds of what a stream and a resampler may be asked for; the addon relies on them. */
export const limits = {
  rateMin: 4_000,
  rateMax: 192_000,
  channelsMax: 2,
  /** of a period, the device's buffer, a slot and each margin */
  framesMax: 1 << 20,
  slotFramesMax: 1 << 16,
  slotCountMax: 1024,
  schedFifoPriorityMax: 99,
  deviceNameMax: 1024,
  /** SPEEX_RESAMPLER_QUALITY_MAX (speex_resampler.h) */
  resamplerQualityMax: 10,
  /** how far a resampler's ratio may be moved */
  ratioPpmMax: 5_000,
  /** longest wait of close() */
  closeTimeoutMsMax: 60_000,
  /** how often a statistics picture that the thread is just writing is read again */
  statisticsReadsMax: 100,
} as const;
