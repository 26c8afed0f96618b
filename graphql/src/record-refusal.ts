import { insertEvent } from '@sluice/persistence';
import type { RecordRefusal } from './common/guard-root-fields.ts';

/**
 * Records that a mutation was refused, in a transaction of its own: the refused one was rolled back. When
 * that fails the client still gets its refusal, and the log tells of the missing record.
 */
export const recordRefusal: RecordRefusal = async (context, principal, mutation, refusal) => {
  // Recorded as `approval.refused` or `rollout.steer-refused` with the decision itself, in one transaction.
  if (refusal.__typename === 'ApprovalRefused' || refusal.__typename === 'SteerRefused') return;
  try {
    await context.inTenant((tx) =>
      insertEvent(tx, {
        type: 'request.refused',
        actor: `principal:${principal.principalId}`,
        subject: `mutation:${mutation}`,
        data: {
          refusal: refusal.__typename,
          code: refusal.code,
          ...(refusal.__typename === 'NotPermitted' ? { permission: refusal.permission } : {}),
          ...(refusal.__typename === 'InvalidInput' ? { field: refusal.field } : {}),
          ...(refusal.__typename === 'PipelineInvalid' ? { problems: refusal.problemCount } : {}),
        },
        traceId: context.traceId,
      }),
    );
  } catch (error) {
    context.log.error({ err: error, mutation, code: refusal.code }, 'refusal not recorded');
  }
};
