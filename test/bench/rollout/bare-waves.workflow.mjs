import { proxyActivities } from '@temporalio/workflow';

const { noop } = proxyActivities({ startToCloseTimeout: '60s' });

/**
 * As many no-op activities as a rollout has deployments, wave after wave, so many at a time.
 * @param waves members of each
 */
export async function bareWaves(waves, together) {
  for (const members of waves) {
    let next = 0;
    await Promise.all(
      Array.from({ length: Math.min(together, members) }, async () => {
        while (next < members) {
          next += 1;
          await noop(next);
        }
      }),
    );
  }
}
