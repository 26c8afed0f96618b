import type { StepTypeExamples } from '../step-type-manifest.ts';

/** Examples of `notify@1`. */
export const NOTIFY_EXAMPLES: StepTypeExamples = {
  runs: [{ inputs: { channel: 'releases', message: 'shop 1.4.0 is in prod.' }, outputs: {} }],
  refused: [
    { why: 'nobody to tell', path: 'channel', inputs: { message: 'hi' } },
    { why: 'nothing to say', path: 'message', inputs: { channel: 'releases', message: '' } },
    { why: 'an address, no name', path: 'channel', inputs: { channel: '#releases', message: 'a' } },
  ],
};
