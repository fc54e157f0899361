import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkConfig } from '@kvm-audio/daemon/config';
import { chooseDevice, deviceEnvironment } from './chooseDevices.js';

const folder = mkdtempSync(join(tmpdir(), 'ka-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let machines = 0;

type Card = { id: string; pcms: string[] };

/** A /proc/asound with these cards, as the kernel writes it. */
function procAsound(cards: readonly Card[]): string {
  const root = join(folder, `asound${machines++}`);
  mkdirSync(root);
  const lines = cards.map(({ id, pcms }, index) => {
    mkdirSync(join(root, `card${index}`));
    for (const name of [...pcms, 'id']) writeFileSync(join(root, `card${index}`, name), '');
    const shown = `${String(index).padStart(2)} [${id.padEnd(15)}]`;
    return `${shown}: USB-Audio - A card\n                      Maker A card at usb-0000:00:14.0-1\n`;
  });
  writeFileSync(join(root, 'cards'), lines.join(''));
  return root;
}

const hdmi = { id: 'tc358743hdmi', pcms: ['pcm0c'] };
const gadget = { id: 'UAC2Gadget', pcms: ['pcm0p', 'pcm0c'] };
const board = { id: 'PCH', pcms: ['pcm0p', 'pcm0c'] };
const speakers = { id: 'Speakers', pcms: ['pcm3p'] };
const hdmiOut = { id: 'vc4hdmi', pcms: ['pcm0p'] };

describe('device = "auto"', () => {
  test.each([
    ['the HDMI receiver', 'input', [board, gadget, hdmi], 'hw:tc358743hdmi'],
    ['the gadget where no HDMI can capture', 'input', [hdmiOut, board, gadget], 'hw:UAC2Gadget'],
    ['the default card where there is neither', 'input', [board], 'default'],
    ['the virtual card where no card can capture', 'input', [speakers], 'kvm_host'],
    ['the gadget before HDMI for the output', 'output', [hdmiOut, gadget], 'hw:UAC2Gadget'],
    ['the default card for the output', 'output', [hdmiOut, board], 'default'],
    ['the virtual card where no card can play', 'output', [hdmi], 'kvm_gadget'],
  ] as const)('is %s', (_, direction, cards, device) => {
    expect(chooseDevice(direction, 'auto', procAsound(cards))).toBe(device);
  });

  test('is the virtual card on a machine without sound', () => {
    expect(chooseDevice('input', 'auto', join(folder, 'nothing'))).toBe('kvm_host');
    expect(chooseDevice('output', 'auto', procAsound([]))).toBe('kvm_gadget');
  });

  test('leaves a device that was named as it is', () => {
    expect(chooseDevice('input', 'hw:7,0', procAsound([hdmi]))).toBe('hw:7,0');
  });
});

describe('the environment of the pipelines', () => {
  const config = (input: string, output: string) =>
    checkConfig({ input: { device: input }, output: { device: output } }, 'test');

  test('names the virtual card where one of them uses it', () => {
    for (const devices of [config('kvm_host', 'default'), config('default', 'kvm_gadget')]) {
      const env = deviceEnvironment(devices, { HOME: '/root' });
      expect(env).toMatchObject({
        HOME: '/root',
        ALSA_CONFIG_PATH: expect.stringMatching(/etc\/alsa\/virtual-card\.conf$/),
        KVM_AUDIO_CARD_LIB: expect.stringMatching(/kvm_audio_card\.so$/),
      });
    }
  });

  test('leaves what is set already', () => {
    const env = deviceEnvironment(config('kvm_host', 'default'), { ALSA_CONFIG_PATH: '/mine' });
    expect(env.ALSA_CONFIG_PATH).toBe('/mine');
  });

  test('is untouched where both are real', () => {
    expect(deviceEnvironment(config('hw:0', 'default'), { HOME: '/root' })).toEqual({
      HOME: '/root',
    });
  });
});
