/* The build after `stuck-first.ts`. */
import { condition, defineSignal, proxyActivities, setHandler } from '@temporalio/workflow';

const go = defineSignal('go');
const { executeStep } = proxyActivities<{ executeStep(): Promise<string> }>({
  startToCloseTimeout: '20s',
});

/** Calls an activity where the first build slept. */
export async function promoteRelease({ mode }: { readonly mode: string }): Promise<string> {
  let isAsked = false;
  setHandler(go, () => {
    isAsked = true;
  });
  if (mode === 'sleep') await executeStep();
  await condition(() => isAsked);
  return mode;
}
