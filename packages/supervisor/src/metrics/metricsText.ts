import type { DaemonStatus } from '@kvm-audio/protocol';
import { OpenMetricsText } from './OpenMetricsText.js';
import { statusFamilies } from './statusFamilies.js';

export const { contentType } = OpenMetricsText;

/** The numbers of a status as OpenMetrics text. */
export function metricsText(status: DaemonStatus): string {
  const text = new OpenMetricsText();
  for (const family of statusFamilies) text.add(family, family.samples(status));
  return text.end();
}
