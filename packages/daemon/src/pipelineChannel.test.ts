import type { PipelineReport } from '@kvm-audio/protocol';
import { readReport, reportText } from './pipelineChannel.js';

const report = { state: 'running', reason: null, drops: { pool_empty: 3 } } as PipelineReport;

test('a report is what it was on the other end of the channel', () => {
  expect(readReport(reportText(report))).toEqual(report);
});

test.each([report, undefined, 7, '{"state":'])(
  '%j is no report, and an error of its sender',
  (sent) => {
    expect(() => readReport(sent)).toThrow(expect.objectContaining({ code: 'MALFORMED_MESSAGE' }));
  },
);
