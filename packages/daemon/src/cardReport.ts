import type { CardReport } from '@kvm-audio/protocol';

/** What the alsa addon says of a card that it opened. */
type OpenedCard = { cardName: string; rate: number; channels: number; format: string };

/** @param measuredRate Hz: what it has in truth, where that is not what it says. */
export function cardReport(
  card: OpenedCard | undefined,
  measuredRate: number | undefined,
): CardReport | null {
  if (!card) return null;
  const { cardName, rate, channels, format } = card;
  return { name: cardName, rate: measuredRate ?? rate, channels, format };
}
