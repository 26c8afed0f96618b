import { waitFor } from '../../wait-for.ts';
import { runsWith } from '../left-behind.ts';
import type { StepStory } from '../step-story.ts';

/** The stand-in, and the scanner that it becomes, are called with the image that they look at. */
function isScanner(pid: number): boolean {
  return runsWith(pid, '--input');
}

const SCAN: StepStory = {
  name: 'scan',
  type: 'scan@1',
  step: 'scan',
  steps: () => [{ id: 'scan', type: 'scan@1' }],
  needs: ['signer'],
  request: ({ releases }) => ({ release: releases.held.id }),
  prepare: ({ made, releases }) => made.scanner.setModeOf(releases.held.image, 'hold'),
  stand: async ({ made }, promotion) => {
    const { scanner, client } = made;
    const before = (await scanner.listPids()).length;
    await client.untilStep(promotion, 'scan', 'RUNNING', 90);
    await waitFor(
      'the scanner holds',
      async () => {
        const pids = await scanner.listPids();
        return pids.length > before || pids.some(isScanner);
      },
      { seconds: 60 },
    );
  },
  letGo: ({ made, releases }) => made.scanner.setModeOf(releases.held.image, 'clean'),
  clear: ({ made, releases }) => made.scanner.setModeOf(releases.held.image, 'clean'),
  findProblems: async ({ made }) => {
    const list = async (): Promise<readonly number[]> =>
      (await made.scanner.listPids()).filter(isScanner);
    await waitFor('the scanners end', async () => (await list()).length === 0, {
      seconds: 30,
    }).catch(() => undefined);
    return (await list()).map((pid) => `process ${pid} of the scanner is left`);
  },
};

/** Stories about `scan@1`. */
export const SCAN_STORIES: readonly StepStory[] = [SCAN];
