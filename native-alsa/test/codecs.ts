import { type AddonDecoder, type AddonEncoder, loadOpusAddon } from '../lib/opus.js';

/** Of opus_defines.h. */
const opus = {
  voip: 2048,
  lowdelay: 2051,
  setBitrate: 4002,
  setComplexity: 4010,
  setDtx: 4016,
  setSignal: 4024,
  voice: 3001,
  music: 3002,
};

function stereoEncoder(application: number, controls: [request: number, value: number][]) {
  const { Encoder } = loadOpusAddon();
  const encoder = new Encoder(application, 2);
  for (const [request, value] of controls) {
    if (encoder.set(request, value) < 0) throw new Error(`libopus refuses ${request}, ${value}`);
  }
  return encoder;
}

/** As cheap as it can be: many tests encode. */
export function musicEncoder(): AddonEncoder {
  return stereoEncoder(opus.lowdelay, [
    [opus.setBitrate, 96_000],
    [opus.setComplexity, 0],
    [opus.setSignal, opus.music],
  ]);
}

/** Leaves out what is silent: SILK alone does. */
export function pausingEncoder(): AddonEncoder {
  return stereoEncoder(opus.voip, [
    [opus.setBitrate, 12_000],
    [opus.setComplexity, 0],
    [opus.setSignal, opus.voice],
    [opus.setDtx, 1],
  ]);
}

export function stereoDecoder(): AddonDecoder {
  const { Decoder } = loadOpusAddon();
  return new Decoder(2);
}
