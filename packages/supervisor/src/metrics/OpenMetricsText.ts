export type Labels = Readonly<Record<string, string>>;

/** A value and where it belongs; nil where it is not known, then there is no line. */
export type Sample = {
  /** What stands behind the family's name: `_count` of a summary. */
  suffix?: string;
  labels?: Labels;
  value: number | null;
};

export type Family = {
  /** Without the `_total` of a counter; ends in its unit, where it has one. */
  name: string;
  type: 'counter' | 'gauge' | 'summary';
  unit?: string;
  /** One sentence without quotes or backslashes, which would have to be escaped. */
  help: string;
};

function escaped(text: string): string {
  return text.replace(/["\\\n]/g, (char) => (char === '\n' ? '\\n' : `\\${char}`));
}

function labelsText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return pairs.length > 0 ? `{${pairs.join(',')}}` : '';
}

/**
 * Text in OpenMetrics 1.0 (github.com/prometheus/OpenMetrics, specification/OpenMetrics.md), with
 * the types that the older text format has too. Families stay in the order in which they come.
 */
export class OpenMetricsText {
  static readonly contentType = 'application/openmetrics-text; version=1.0.0; charset=utf-8';
  #text = '';

  /** Leaves out a family of which nothing is known. */
  add({ name, type, unit, help }: Family, samples: readonly Sample[]): void {
    const ending = type === 'counter' ? '_total' : '';
    const lines = samples
      .filter(({ value }) => value !== null)
      .map(
        ({ suffix = ending, labels = {}, value }) =>
          `${name}${suffix}${labelsText(labels)} ${value}\n`,
      );
    if (lines.length === 0) return;
    this.#text += `# TYPE ${name} ${type}\n`;
    if (unit !== undefined) this.#text += `# UNIT ${name} ${unit}\n`;
    this.#text += `# HELP ${name} ${help}\n${lines.join('')}`;
  }

  /** The whole of it. */
  end(): string {
    return `${this.#text}# EOF\n`;
  }
}
