// What the playout target does with recorded-style traces, beside a fixed buffer of 60 ms and a
// 0.95 quantile as WebRTC's NetEq takes it: a table for docs/jitter-buffer.md. Virtual time.
import { jitterTable } from './jitterTable.js';

process.stdout.write(`Mean ms / p99 ms / concealed % / skips:\n\n${jitterTable()}\n`);
