import { proxyActivities } from '@temporalio/workflow';

const { noop } = proxyActivities({ startToCloseTimeout: '20s' });

/** The baseline: as many no-op activities one after the other. */
export async function bareChain(steps) {
  for (let step = 0; step < steps; step += 1) await noop(step);
}
