import { type Figures, fixed60, ours, quantile95 } from './compare.js';
import { traces } from './traces.js';

/** The table of docs/jitter-buffer.md: each trace through each buffer. */
export function jitterTable(): string {
  const lines = Object.values(traces).map((trace) => {
    const figures = [ours(trace), fixed60(trace), quantile95(trace)];
    return `| ${trace.name} | ${figures.map(cells).join(' | ')} |`;
  });
  return ['| trace | ours | fixed 60 ms | 0.95 quantile |', '|---|---|---|---|', ...lines].join(
    '\n',
  );
}

function cells({ meanMs, p99Ms, concealedPercent, skips }: Figures): string {
  const concealed = concealedPercent.toFixed(2);
  return `${meanMs.toFixed(1)} / ${p99Ms.toFixed(1)} / ${concealed} / ${skips}`;
}
