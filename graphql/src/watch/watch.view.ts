import type { ReleaseWatchRecord } from '@sluice/persistence';
import { enumName } from '../common/enum-name.ts';

/** Failing targets that a watch names. */
const MAX_FAILING = 100;

/** Shows a watch; its promotion and its rollback are resolved apart. */
export function watchView(record: ReleaseWatchRecord) {
  const { promotionId, rollbackId, rules, progress, state, ...shown } = record;
  return {
    promotionId,
    rollbackId,
    state: enumName(state),
    reason: shown.reason,
    onAlarm: enumName(rules.onAlarm),
    rules,
    since: shown.since,
    until: shown.until,
    endedAt: shown.endedAt,
    lookedAt: shown.lookedAt,
    rounds: shown.rounds,
    blindSeconds: shown.blindSeconds,
    blind: shown.blind,
    failing: Object.entries(progress.failing)
      .map(([target, failures]) => ({ target, failures }))
      .sort((a, b) => (a.target < b.target ? -1 : 1))
      .slice(0, MAX_FAILING),
  };
}

/** A watch as the schema has it. */
export type WatchView = ReturnType<typeof watchView>;
