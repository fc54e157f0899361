import { fileURLToPath } from 'node:url';

const repository = new URL('../../', import.meta.url);

/** Whether an ALSA name is one of the virtual card's (etc/alsa/virtual-card.conf). */
export function isVirtualCard(device: string): boolean {
  return /^kvm_/.test(device);
}

/** The card's name in an ALSA name, by the arguments that the configuration gives it. */
function cardName(device: string): string | undefined {
  const fixed = /^kvm_(host|gadget)(_plug)?$/.exec(device);
  if (fixed) return fixed[1];
  const shaped = /^kvm_(?:card|plug)(?::(.*))?$/.exec(device);
  if (!shaped) return undefined;
  const [first = '', ...more] = (shaped[1] ?? '').split(',');
  const named = [first, ...more].find((argument) => argument.startsWith('CARD='));
  return named?.slice('CARD='.length) || (first.includes('=') ? '' : first) || 'card0';
}

/** Whether both are names of one virtual card, as which only one program can play on it. */
export function isSameVirtualCard(one: string, other: string): boolean {
  const name = cardName(one);
  return name !== undefined && name === cardName(other);
}

/** The variables with which alsa-lib finds the virtual card, under those that are set already. */
export function withVirtualCard(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const plugin = 'native-alsa/build/virtual-card/libasound_module_pcm_kvm_audio_card.so';
  return {
    ALSA_CONFIG_PATH: fileURLToPath(new URL('etc/alsa/virtual-card.conf', repository)),
    KVM_AUDIO_CARD_LIB: fileURLToPath(new URL(plugin, repository)),
    ...env,
  };
}
