import { statSync } from 'node:fs';

/**
 * What takes longest, in the order in which it begins; everything else comes behind, larger files first. What waits much
 * begins early, so that at the end nothing long is left to a single worker. Not complete, and need not be.
 */
const LONGEST = [
  'test/src/workflows/workflow-faults.spec.ts',
  'test/faults/chaos.e2e.spec.ts',
  'test/faults/event-kills.e2e.spec.ts',
  'test/e2e/promotions.e2e.spec.ts',
  'test/e2e/failed-guide.e2e.spec.ts',
  'test/e2e/pipelines/examples.e2e.spec.ts',
  'test/e2e/upgrade.e2e.spec.ts',
  'test/faults/',
  'test/e2e/',
  'workflows/src/',
  'relays/src/problems/',
  'test/src/',
  'apps/agent/src/agent-newer-command-killed.spec.ts',
  'apps/replay/src/',
  'apps/api/src/e2e/',
  'libs/target-drivers/src/linux-host-',
  'activities/src/s',
];

/** Orders suites without knowing of an earlier run, as in a fresh checkout. */
export default class SuiteOrder {
  sort(tests) {
    const rows = [...tests].map((test) => ({ test, rank: rankOf(test), size: sizeOf(test.path) }));
    rows.sort((left, right) => left.rank - right.rank || right.size - left.size);
    return rows.map(({ test }) => test);
  }

  shard(tests, { shardIndex, shardCount }) {
    return this.sort(tests).filter((_test, index) => index % shardCount === shardIndex - 1);
  }

  allFailedTests(tests) {
    return tests;
  }

  cacheResults() {}
}

function rankOf({ path, context }) {
  const name = path.slice(context.config.rootDir.length + 1);
  const rank = LONGEST.findIndex((prefix) => name.startsWith(prefix));
  return rank === -1 ? LONGEST.length : rank;
}

function sizeOf(path) {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
