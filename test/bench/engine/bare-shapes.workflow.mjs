import { executeChild, proxyActivities, workflowInfo } from '@temporalio/workflow';

const { noop } = proxyActivities({ startToCloseTimeout: '20s' });

/** As many no-op activities one after the other. */
export async function bareChain(steps) {
  for (let step = 0; step < steps; step += 1) await noop(step);
}

/** As many at a time. */
export async function bareParallel(steps) {
  await Promise.all(Array.from({ length: steps }, (_, step) => noop(step)));
}

/** As many in child workflows, so that no history grows with their number. */
export async function bareMatrix(members, shard, together) {
  const shards = Math.ceil(members / shard);
  await Promise.all(
    Array.from({ length: shards }, (_, index) =>
      executeChild(bareShard, {
        workflowId: `${workflowInfo().workflowId}/${index}`,
        args: [Math.min(shard, members - index * shard), Math.ceil(together / shards)],
      }),
    ),
  );
}

/** As many, so many at a time. */
export async function bareShard(members, together) {
  let next = 0;
  await Promise.all(
    Array.from({ length: together }, async () => {
      while (next < members) {
        next += 1;
        await noop(next);
      }
    }),
  );
}
