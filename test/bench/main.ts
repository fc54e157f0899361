// How good the program is, beside a C program that does the same: latency, gaps, CPU, memory.
// One run prints one report. It fails only where something does not work at all: a slow result on
// a busy machine is a result.
//   --seconds N     length of the long run at medium (default 60)
//   --levels A,B    which rows: low, medium, high, ultra, 5ms (default all)
//   --json FILE     everything that was measured
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { type Leg, measureLeg } from './measureLeg.js';
import { formatReport, type Row } from './report.js';
import { type SubjectName, startSubject } from './Subject.js';
import { type Setting, settings } from './settings.js';
import { Witness } from './Witness.js';

/** CPU is measured at medium only, over runs of at least this; the other rows need chirps only. */
const cpuSeconds = 20;
const shortSeconds = 8;

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    levels: { type: 'string' },
    json: { type: 'string' },
  },
});

type Run = [SubjectName, number];

/** The two take turns, so that a change of the machine's mood meets both. */
function runsOf({ name }: Setting): Run[] {
  if (name !== 'medium') {
    return [
      ['kvm-audio', shortSeconds],
      ['yardstick', shortSeconds],
    ];
  }
  return [
    ['yardstick', cpuSeconds],
    ['kvm-audio', Number(values.seconds)],
    ['yardstick', cpuSeconds],
    ['kvm-audio', cpuSeconds],
    ['yardstick', cpuSeconds],
  ];
}

function chosenSettings(): readonly Setting[] {
  const names = values.levels?.split(',') ?? settings.map(({ name }) => name);
  return names.map((name) => {
    const setting = settings.find((each) => each.name === name);
    if (!setting) throw new Error(`--levels: there is no ${name}`);
    return setting;
  });
}

async function runLeg(name: SubjectName, setting: Setting, seconds: number): Promise<Leg> {
  process.stderr.write(`${setting.name}: ${name}, ${seconds} s\n`);
  const subject = await startSubject[name](setting);
  let stopped = false;
  try {
    const leg = await measureLeg(subject, seconds, witness);
    stopped = true;
    const counted = await subject.stop();
    return { ...leg, counted: leg.counted ?? counted };
  } finally {
    if (!stopped) await subject.stop();
  }
}

const witness = new Witness();
const rows: Row[] = [];
try {
  for (const setting of chosenSettings()) {
    const row: Row = { setting, legs: { 'kvm-audio': [], yardstick: [] } };
    rows.push(row);
    for (const [name, seconds] of runsOf(setting)) {
      row.legs[name].push(await runLeg(name, setting, seconds));
    }
  }
} finally {
  witness.stop();
}
console.log(formatReport(rows, witness.windows));
if (values.json) writeFileSync(values.json, JSON.stringify({ rows, windows: witness.windows }));
