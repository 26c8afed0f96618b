import type { StatementRecord } from '@sluice/persistence';

/** Shows a signed statement. */
export function statementView(record: StatementRecord) {
  const { statementDigest, predicateType, envelope, createdAt } = record;
  return { digest: statementDigest, predicateType, envelope, createdAt };
}
