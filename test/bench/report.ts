import { cpus, loadavg } from 'node:os';
import { sum } from '../helpers/statistics.js';
import { oneDigit } from './markdown.js';
import { promiseTable } from './promises.js';
import type { Results } from './results.js';
import {
  cpuTable,
  driftTable,
  fanOutTable,
  latencyTable,
  processTable,
  recoveryTable,
} from './tables.js';

/** Markdown, so that each table can go into README or docs as it is. */
export function formatReport(results: Results): string {
  const { rows, cpu, fanOut, recovery, drift, jitter, skipped } = results;
  const measured = rows.length + cpu.length + fanOut.length + recovery.length + drift.length;
  const parts: [boolean, string, () => string][] = [
    [measured > 0, 'Promises', () => promiseTable(results)],
    [rows.length > 0, 'Latency of the whole path', () => latencyTable(results)],
    [
      rows.some(({ setting }) => setting.name === 'medium'),
      `Processes at medium, ${results.atOnce ? 'all legs at a time' : 'each subject alone'}`,
      () => processTable(results),
    ],
    ...cpu.map(({ how, when, pairs }): [boolean, string, () => string] => [
      true,
      `CPU at medium, ${how}, ${when}`,
      () => cpuTable(pairs),
    ]),
    [fanOut.length > 0, 'Listeners on the input at medium', () => fanOutTable(results)],
    [recovery.length > 0, 'Until audio is back', () => recoveryTable(results)],
    [drift.length > 0, 'Drift', () => driftTable(results)],
    [jitter !== '', 'The playout target in virtual time', () => jitter],
    [skipped.length > 0, 'Not measured', () => skipped.map((each) => `- ${each}`).join('\n')],
  ];
  const shown = parts
    .filter(([wanted]) => wanted)
    .map(([, title, table]) => `## ${title}\n\n${table()}`);
  return [heading(results), ...shown].join('\n\n');
}

function heading({ windows, atOnce }: Results): string {
  const [cpu] = cpus();
  const turns = atOnce
    ? 'all legs are measured at a time'
    : 'subjects take turns, but for a part of CPU';
  const lateMs = windows.map(({ fromUs, untilUs }) => (untilUs - fromUs) / 1000);
  return [
    `# kvm-audio bench, ${new Date().toISOString().slice(0, 16)}Z`,
    '',
    `${cpus().length} × ${cpu?.model ?? process.arch}, Node ${process.version}, load average ` +
      `${loadavg().map(oneDigit).join(' ')}; virtual cards.`,
    'Method: 20 ms chirps over music, 83 ms apart, played on card A, found on card B by',
    'normalised cross-correlation; times by the cards’ clocks. The yardstick is a C program that',
    `does the same work with the same settings; ${turns}. A gap is 1 ms`,
    'or more of silence on card B. docs/bench.md has all of it.',
    `The machine woke a plain C thread, one a core, over 3 ms late ${windows.length} times: ` +
      `${sum(lateMs).toFixed(0)} ms in all, at most ${Math.max(0, ...lateMs).toFixed(0)} ms.`,
  ].join('\n');
}
