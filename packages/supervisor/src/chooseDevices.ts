import { existsSync, readdirSync, readFileSync } from 'node:fs';
import type { Config } from '@kvm-audio/daemon';
import { isVirtualCard, withVirtualCard } from '@kvm-audio/native-alsa/virtualCard';
import type { Direction } from '@kvm-audio/protocol';

/** The virtual cards, where there is no sound card: see docs/virtual-card.md. */
const virtualDevice: Record<Direction, string> = { input: 'kvm_host', output: 'kvm_gadget' };
type Card = { index: number; id: string };

/** Cards that can do this direction, in the kernel's order. */
function listCards(direction: Direction, procAsound: string): Card[] {
  const list = `${procAsound}/cards`;
  if (!existsSync(list)) return [];
  const cards = [...readFileSync(list, 'utf8').matchAll(/^\s*(\d+) \[(\S+)\s*\]/gm)];
  const suffix = direction === 'input' ? 'c' : 'p';
  return cards
    .map(([, index, id]) => ({ index: Number(index), id: id ?? '' }))
    .filter(({ index }) =>
      readdirSync(`${procAsound}/card${index}`).some((name) =>
        new RegExp(`^pcm\\d+${suffix}$`).test(name),
      ),
    );
}

/**
 * What `device = "auto"` means on this machine: HDMI, else the USB gadget, else the default card;
 * for the output the gadget first; where there is no card, the virtual one.
 */
export function chooseDevice(
  direction: Direction,
  device: string,
  procAsound = '/proc/asound',
): string {
  if (device !== 'auto') return device;
  const cards = listCards(direction, procAsound);
  if (cards.length === 0) return virtualDevice[direction];
  const hdmi = direction === 'input' ? cards.find(({ id }) => /hdmi/i.test(id)) : undefined;
  const chosen = hdmi ?? cards.find(({ id }) => /uac|gadget/i.test(id));
  return chosen ? `hw:${chosen.id}` : 'default';
}

/** The environment in which a pipeline finds its devices: with the virtual cards, if it uses one. */
export function deviceEnvironment(config: Config, env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const devices = [config.output.device, config.input.device];
  return devices.some(isVirtualCard) ? withVirtualCard(env) : env;
}
