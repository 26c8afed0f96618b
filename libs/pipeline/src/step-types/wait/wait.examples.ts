import type { StepTypeExamples } from '../step-type-manifest.ts';

/** Examples of `wait@1`. */
export const WAIT_EXAMPLES: StepTypeExamples = {
  runs: [
    { inputs: { seconds: 600 }, outputs: {} },
    { inputs: { until: '2026-11-23T06:00:00Z' }, outputs: {} },
  ],
  refused: [
    { why: 'nothing to wait for', path: '', inputs: {} },
    {
      why: 'two ends',
      path: 'until',
      inputs: { seconds: 1, until: '2026-11-23T06:00:00Z' },
    },
    { why: 'no time in UTC', path: 'until', inputs: { until: '2026-11-23T06:00:00+01:00' } },
    { why: 'no day', path: 'until', inputs: { until: '2026-02-30T06:00:00Z' } },
    { why: 'longer than 30 days', path: 'seconds', inputs: { seconds: 2_592_001 } },
  ],
};
