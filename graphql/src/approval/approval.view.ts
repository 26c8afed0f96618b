import type { ApprovalRecord, ApprovalRequestRecord } from '@sluice/persistence';
import { enumName } from '../common/enum-name.ts';

/** One round of asking people as the schema has it; what hangs on it is resolved apart, by the keys that stand here. */
export interface ApprovalRequestView {
  readonly __typename: 'ApprovalRequest';
  readonly id: string;
  readonly round: number;
  readonly state: string;
  readonly reason: { readonly code: string; readonly message: string } | null;
  readonly rule: ApprovalRequestRecord['rule'];
  readonly releaseDigest: string;
  readonly planDigest: string;
  readonly openedAt: string;
  readonly deadline: string;
  readonly closedAt: string | null;
  /** The row that it shows. */
  readonly record: ApprovalRequestRecord;
}

/** Shows a request for approval. */
export function approvalRequestView(record: ApprovalRequestRecord): ApprovalRequestView {
  return {
    __typename: 'ApprovalRequest',
    id: `${record.promotionId}#${record.round}/${record.stepId}`,
    round: record.round,
    state: enumName(record.state),
    reason: record.reason,
    rule: record.rule,
    releaseDigest: record.releaseDigest,
    planDigest: record.planDigest,
    openedAt: record.openedAt,
    deadline: record.deadline,
    closedAt: record.closedAt,
    record,
  };
}

/** Shows what somebody said. One that still waits for its answer is neither recorded nor refused. */
export function approvalRecordView(record: ApprovalRecord) {
  return {
    id: record.approvalId,
    principal: record.principalId,
    decision: enumName(record.decision),
    comment: record.comment,
    recorded: record.state === 'recorded',
    refusal: record.refusal,
    at: record.askedAt,
  };
}
