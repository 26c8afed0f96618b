import { condition, continueAsNew, defineSignal, setHandler } from '@temporalio/workflow';

/** Continues as new `left` times; the last run waits for the signal `end`. For tests of runs and their histories. */
export async function chain(left: number): Promise<string> {
  let isEnded = false;
  setHandler(defineSignal('end'), () => {
    isEnded = true;
  });
  if (left > 0) return continueAsNew<typeof chain>(left - 1);
  await condition(() => isEnded);
  return 'ended';
}
