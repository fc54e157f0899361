import { fileURLToPath } from 'node:url';

const repository = new URL('../../', import.meta.url);

/** Whether an ALSA name is one of the virtual card's (etc/alsa/virtual-card.conf). */
export function isVirtualCard(device: string): boolean {
  return /^kvm_/.test(device);
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
