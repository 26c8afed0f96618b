import {
  APPROVED_PIPELINE,
  type ApprovalRule,
  composePlan,
  composePlanSet,
  type PlanSide,
} from '@sluice/domain';
import {
  getRelease,
  insertApprovalRequest,
  insertEvent,
  insertPlan,
  insertPlanSet,
  setPromotionState,
  setStepState,
  upsertDeployment,
  withTenant,
} from '@sluice/persistence';
import { addPromotion } from './scene.ts';
import { PROD_RULE, TENANT, type TestApi } from './test-api.ts';

/** A promotion that waits for approval, and what a decision must name. */
export interface WaitingApproval {
  readonly promotion: string;
  readonly release: string;
  readonly plan: string;
}

/** How a request for approval is made. */
export interface ApprovalScene {
  readonly environment?: string;
  readonly target?: string;
  readonly rule?: ApprovalRule;
  readonly requestedBy?: string;
  /** Milliseconds since the epoch. */
  readonly deadline?: number;
  readonly tenant?: string;
}

/** Makes a promotion that waits for approval, in the records as the worker would write them and in the fake engine. */
export async function addWaitingApproval(
  api: TestApi,
  release: string,
  options: ApprovalScene = {},
): Promise<WaitingApproval> {
  const { environment = 'prod', requestedBy = 'release-manager', tenant = TENANT } = options;
  const promotion = await addPromotion(api, release, tenant, {
    environment,
    requestedBy,
    pipeline: APPROVED_PIPELINE,
  });
  return askForApproval(api, promotion, release, 1, options);
}

/** Opens a round of asking for a promotion that runs or was planned again. */
export async function askForApproval(
  api: TestApi,
  promotionId: string,
  release: string,
  round: number,
  {
    target = `${TENANT}-prod`,
    rule = PROD_RULE,
    requestedBy = 'release-manager',
    deadline = Date.now() + 3_600_000,
    tenant = TENANT,
  }: ApprovalScene = {},
): Promise<WaitingApproval> {
  const planDigest = await withTenant(api.workerPool, tenant, async (tx) => {
    const { components } = (await getRelease(tx, release)).body;
    const desired: PlanSide = { release, components, settings: { ROUND: String(round) } };
    const plan = await insertPlan(tx, composePlan(target, null, desired));
    const planSet = composePlanSet(promotionId, release, [{ target, plan }]);
    const digest = await insertPlanSet(tx, { promotionId, round, planSet });
    await upsertDeployment(tx, { promotionId, target, planDigest: plan });
    if (round === 1) {
      await setPromotionState(tx, { promotionId, state: 'running' });
      for (const stepId of ['scan', 'gate', 'plan']) {
        await setStepState(tx, { promotionId, stepId, state: 'running' });
        await setStepState(tx, { promotionId, stepId, state: 'succeeded' });
      }
      await setPromotionState(tx, { promotionId, state: 'waiting' });
      await setStepState(tx, { promotionId, stepId: 'approval', state: 'waiting' });
    }
    await insertApprovalRequest(tx, {
      promotionId,
      stepId: 'approval',
      round,
      releaseDigest: release,
      planDigest: digest,
      rule,
      requesterPersonId: requestedBy,
      deadline: new Date(deadline).toISOString(),
    });
    await insertEvent(tx, {
      type: 'approval.requested',
      actor: 'system:worker',
      subject: `promotion:${promotionId}`,
      promotionId,
      data: { round, planDigest: digest },
      traceId: null,
    });
    return digest;
  });
  api.engine.run(
    { tenantId: tenant, promotionId },
    {
      state: 'waiting',
      rule,
      requesterPersonId: requestedBy,
      releaseDigest: release,
      planDigest,
      deadline,
      votes: [],
    },
  );
  return { promotion: promotionId, release, plan: planDigest };
}
