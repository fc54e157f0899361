/** Where sound cards come and go: the kernel's device nodes, and the virtual cards' files. */
export function soundCardFolders({ KVM_AUDIO_CARD_DIR }: NodeJS.ProcessEnv): string[] {
  return ['/dev/snd', KVM_AUDIO_CARD_DIR || `/dev/shm/kvm-audio-cards-${process.getuid?.()}`];
}
