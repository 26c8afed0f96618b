import type { MemberCounts } from '@sluice/persistence';

/** Shows how many members there are in each state. */
export function memberCountsView(counts: MemberCounts) {
  const {
    pending = 0,
    running = 0,
    succeeded = 0,
    denied = 0,
    failed = 0,
    skipped = 0,
    cancelled = 0,
    reverted = 0,
  } = counts;
  const all = { pending, running, succeeded, denied, failed, skipped, cancelled, reverted };
  return { total: Object.values(all).reduce((sum, count) => sum + count, 0), ...all };
}
