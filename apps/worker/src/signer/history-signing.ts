import { isName } from '@sluice/domain';
import { findHistory, findPromotion, type Pool, type Tx, withTenant } from '@sluice/persistence';
import {
  checkHistoryStatement,
  createStatementEnvelope,
  hasExactlyKeys,
  isJsonObject,
  type KeyPair,
  type ReadHistoryStatement,
  type SignHistoryRequest,
} from '@sluice/signing';
import { promotionOfWorkflowId, tenantOfWorkflowId } from '@sluice/temporal-contract';
import { type Refused, refusal } from './refusal.ts';
import type { SigningAnswer } from './signer-server.ts';

/**
 * Signs the statement of an archived workflow run only when it agrees with the records: a workflow of that tenant which
 * somebody asked for, the packet that its promotion was sealed as, and no other history of the same run. Refusals:
 * `request-invalid`, `statement-malformed`, `workflow-foreign`, `workflow-unknown`, `workflow-differs`,
 * `promotion-differs`, `packet-differs`, `history-differs`.
 */
export async function signHistory(
  pool: Pool,
  keyPair: KeyPair,
  request: SignHistoryRequest,
): Promise<SigningAnswer> {
  if (!isJsonObject(request) || !hasExactlyKeys(request, ['tenantId', 'statement'])) {
    return refusal('request-invalid', 'It takes tenantId and statement only.');
  }
  const { tenantId } = request as { tenantId: unknown };
  if (typeof tenantId !== 'string' || !isName(tenantId)) {
    return refusal('request-invalid', 'tenantId has no valid form.');
  }
  const read = checkHistoryStatement(request.statement);
  if (!read.ok) return refusal(read.refusal.code, read.refusal.message);
  const problem = await withTenant(pool, tenantId, (tx) => findProblem(tx, read.value), {
    isolation: 'repeatable read',
    readOnly: true,
  });
  if (problem !== undefined) return problem;
  return { ok: true, value: { envelope: createStatementEnvelope(read.value.statement, keyPair) } };
}

async function findProblem(
  tx: Tx,
  { historyDigest, predicate }: ReadHistoryStatement,
): Promise<Refused | undefined> {
  const { workflowId, runId, workflowType } = predicate;
  if (tenantOfWorkflowId(workflowId) !== tx.tenantId) {
    return refusal('workflow-foreign', `${workflowId} is no workflow of tenant ${tx.tenantId}.`);
  }
  const asked = await findAskedType(tx, workflowId);
  if (asked === undefined) {
    return refusal('workflow-unknown', `Nobody asked for ${workflowId}.`);
  }
  if (asked !== workflowType) {
    return refusal('workflow-differs', `${workflowId} is no ${workflowType}: it is a ${asked}.`);
  }
  const promotionId = promotionOfWorkflowId(tx.tenantId, workflowId) ?? null;
  if (predicate.promotionId !== promotionId) {
    return refusal('promotion-differs', `${workflowId} is not of ${predicate.promotionId}.`);
  }
  const promotion = promotionId === null ? undefined : await findPromotion(tx, promotionId);
  if (predicate.packetDigest !== (promotion?.packetDigest ?? null)) {
    return refusal('packet-differs', `It is not the packet that ${workflowId} was sealed as.`);
  }
  const stored = await findHistory(tx, { workflowId, runId });
  if (stored !== undefined && stored.historyDigest !== historyDigest) {
    return refusal('history-differs', `Another history of run ${runId} is archived.`);
  }
  return undefined;
}

async function findAskedType(tx: Tx, workflowId: string): Promise<string | undefined> {
  const { rows } = await tx.query<{ workflowType: string }>(
    `select workflow_type as "workflowType" from sluice.workflow_executions
      where tenant_id = $1 and workflow_id = $2`,
    [tx.tenantId, workflowId],
  );
  return rows[0]?.workflowType;
}
