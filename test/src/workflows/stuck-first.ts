/*
 * Workflows that stand in for promotions that get stuck, as the build has it that begins them. `stuck-second.ts` is the build
 * after it: what throws here does not throw there, and what sleeps first here calls an activity first there.
 */
import { condition, defineSignal, proxyActivities, setHandler, sleep } from '@temporalio/workflow';

/** How a workflow of these gets stuck. */
export type StuckMode = 'sleep' | 'throw' | 'activity';

const go = defineSignal('go');
const { executeStep } = proxyActivities<{ executeStep(): Promise<string> }>({
  startToCloseTimeout: '20s',
  retry: { initialInterval: '50ms', maximumInterval: '1s' },
});

/** Waits for the signal `go` after one step. */
export async function promoteRelease({ mode }: { readonly mode: StuckMode }): Promise<string> {
  let isAsked = false;
  setHandler(go, () => {
    isAsked = true;
  });
  if (mode === 'throw') throw new Error('BOOM in the first build');
  if (mode === 'activity') await executeStep();
  else await sleep(50);
  await condition(() => isAsked);
  return mode;
}
