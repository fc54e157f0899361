import type { OpusAddon } from '@kvm-audio/native-alsa/opus';
import { chooseBackend } from './chooseBackend.js';

const addon = { version: 'libopus 9.9' } as OpusAddon;
const missing = () => {
  throw new Error('the opus addon is not built: run `make build`');
};

describe('the choice of a codec', () => {
  test('auto takes native where it loads', () => {
    const { capabilities } = chooseBackend('auto', () => addon);
    expect(capabilities).toMatchObject({ backend: 'native', version: 'libopus 9.9' });
  });

  test('auto takes wasm where native does not load, and tells why', () => {
    const reasons: string[] = [];
    const chosen = chooseBackend('auto', missing, (reason) => reasons.push(reason));
    expect(chosen.capabilities.backend).toBe('wasm');
    expect(reasons).toEqual(['the opus addon is not built: run `make build`']);
  });

  test('native that does not load is an error with the reason', () => {
    expect(() => chooseBackend('native', missing)).toThrow(
      expect.objectContaining({
        code: 'CODEC_UNAVAILABLE',
        message: expect.stringContaining('make build'),
      }),
    );
  });

  test('wasm never looks for native', () => {
    const load = jest.fn(() => addon);
    expect(chooseBackend('wasm', load).capabilities.backend).toBe('wasm');
    expect(load).not.toHaveBeenCalled();
  });
});
