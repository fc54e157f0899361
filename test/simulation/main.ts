// What the playout target does with recorded-style traces, beside a fixed buffer of 60 ms and a
// 0.95 quantile as WebRTC's NetEq takes it: a table for docs/jitter-buffer.md. Virtual time.
import { type Figures, fixed60, ours, quantile95 } from './compare.js';
import { traces } from './traces.js';

function cells({ meanMs, p99Ms, concealedPercent, skips }: Figures): string {
  const concealed = concealedPercent.toFixed(2);
  return `${meanMs.toFixed(1)} / ${p99Ms.toFixed(1)} / ${concealed} / ${skips}`;
}

process.stdout.write('Mean ms / p99 ms / concealed % / skips:\n\n');
process.stdout.write('| trace | ours | fixed 60 ms | 0.95 quantile |\n|---|---|---|---|\n');
for (const trace of Object.values(traces)) {
  const figures = [ours(trace), fixed60(trace), quantile95(trace)];
  process.stdout.write(`| ${trace.name} | ${figures.map(cells).join(' | ')} |\n`);
}
