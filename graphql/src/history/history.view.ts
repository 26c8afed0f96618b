import { WAYS_OUT } from '@sluice/domain';
import type { BundleRecord, HistoryRecord, WorkflowProblemRecord } from '@sluice/persistence';
import { enumName } from '../common/enum-name.ts';

/** Shows what is stored of one archived run. */
export function archivedHistoryView(record: HistoryRecord) {
  return {
    workflowId: record.workflowId,
    runId: record.runId,
    workflowType: record.workflowType,
    status: enumName(record.status),
    eventCount: record.eventCount,
    buildIds: record.buildIds,
    bundleDigests: record.bundleDigests,
    historyDigest: record.historyDigest,
    archiveDigest: record.archiveDigest,
    packetDigest: record.packetDigest,
    statement: record.envelope,
    startedAt: record.startedAt,
    closedAt: record.closedAt,
    archivedAt: record.archivedAt,
    expiredAt: record.expiredAt,
  };
}

/** Shows workflow code that was kept. */
export function bundleView(record: BundleRecord) {
  const { bundleDigest, buildId, sdkVersion, size, firstSeenAt } = record;
  return { digest: bundleDigest, buildId, sdkVersion, size, firstSeenAt };
}

/** Shows why a promotion does not go on; its ways out name the promotion and its environment. */
export function problemView(
  record: WorkflowProblemRecord,
  promotion: { readonly id: string; readonly environmentName: string },
) {
  const { code, message, cause, attempt, event, activity, buildId, since } = record;
  const wayOut = WAYS_OUT[code].map((way) =>
    way
      .replaceAll('<promotion>', promotion.id)
      .replaceAll('<environment>', promotion.environmentName),
  );
  return { code: enumName(code), message, cause, attempt, event, activity, buildId, since, wayOut };
}
