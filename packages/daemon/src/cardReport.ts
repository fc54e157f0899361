import type { CardReport } from '@kvm-audio/protocol';

/** What the alsa addon says of a card that it opened. */
type OpenedCard = { cardName: string; rate: number; channels: number; format: string };

export function cardReport(card: OpenedCard | undefined): CardReport | null {
  if (!card) return null;
  const { cardName, rate, channels, format } = card;
  return { name: cardName, rate, channels, format };
}
