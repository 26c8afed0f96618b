import { DISCREPANCY_RULES } from '@sluice/domain';
import type { DiscrepancyRecord, ReconciliationRecord } from '@sluice/persistence';
import { enumName } from '../common/enum-name.ts';

/** Shows what the watchdog found. */
export function reconciliationView({ lookedAt, discrepancies }: ReconciliationRecord) {
  return {
    __typename: 'Reconciliation' as const,
    lookedAt,
    discrepancies: discrepancies.map(discrepancyView),
  };
}

/** True when the watchdog has a repair for it. A row may be of a version that knew more codes. */
export function isRepairable({ code }: Pick<DiscrepancyRecord, 'code'>): boolean {
  return Object.hasOwn(DISCREPANCY_RULES, code) && DISCREPANCY_RULES[code].repairable;
}

function discrepancyView(record: DiscrepancyRecord) {
  return {
    id: record.discrepancyId,
    code: record.code,
    subject: record.subject,
    message: record.message,
    action: enumName(record.action),
    repairable: isRepairable(record),
    remedy: record.remedy,
    detail: record.detail,
    firstSeenAt: record.firstSeenAt,
    lastSeenAt: record.lastSeenAt,
    repairRequestedAt: record.repairRequestedAt,
    repairError: record.repairError,
  };
}
