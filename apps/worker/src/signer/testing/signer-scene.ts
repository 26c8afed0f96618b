import { composePlanPayload } from '@sluice/activities';
import {
  createPromotionScene,
  type PromotionScene,
  SCENE_TENANT,
  type SceneOptions,
} from '@sluice/activities/testing';
import {
  APPROVED_PIPELINE,
  composePlan,
  composePlanSet,
  DEFAULT_DEADLINES,
  type Decision,
  type DecisionOutcome,
  type Plan,
  type PlanSide,
  ROLLBACK_PIPELINE,
  STANDARD_PIPELINE,
} from '@sluice/domain';
import {
  closeApprovalRequest,
  getPromotion,
  getRelease,
  insertApproval,
  insertApprovalRequest,
  insertDecision,
  insertPlan,
  insertPlanSet,
  type NewApproval,
  type Pool,
  type PromotionRecord,
  recordApproval,
  setPromotionState,
  storeRules,
  type Tx,
  takeLease,
  upsertDeployment,
  withTenant,
} from '@sluice/persistence';
import { digestOf, digestOfBytes } from '@sluice/pure';
import { generateKeyPair, type KeyPair, type SignCommandRequest } from '@sluice/signing';
import type { FrozenRules } from '@sluice/temporal-contract';
import { signCommand } from '../command-signing.ts';

/** The policy that a scene's gate was evaluated with. */
export const SCENE_POLICY = digestOfBytes('policy');

/** A promotion that is about to deploy, as an honest or a compromised worker prepared it. */
export interface Prepared {
  readonly promotion: PromotionRecord;
  readonly plan: Plan;
  readonly planDigest: string;
  readonly planSetDigest: string;
}

/** What a test wants otherwise than an honest worker would have it. */
export interface PrepareOptions {
  readonly releaseDigest: string;
  readonly kind?: 'promote' | 'rollback';
  readonly requestedBy?: string;
  readonly requestedPerson?: string;
  readonly rules?: Partial<FrozenRules>;
  /** Null for no decision at all. */
  readonly decision?: DecisionOutcome | null;
  readonly desired?: PlanSide | null;
  readonly current?: PlanSide | null;
}

/** The signer over a database of its own, without its socket. */
export interface SignerScene {
  readonly scene: PromotionScene;
  readonly signer: Pool;
  readonly keyPair: KeyPair;
  prepare(options: PrepareOptions): Promise<Prepared>;
  /** Stores another plan set for the next round. */
  planAgain(prepared: Prepared, round: number): Promise<Prepared>;
  /** Asks people for approval; `state` as the worker closes it, `waiting` when it does not. */
  ask(
    prepared: Prepared,
    state?: 'waiting' | 'approved' | 'rejected',
    round?: number,
    stepId?: string,
  ): Promise<void>;
  /** Stores a decision as the API does, and records it as the worker does. */
  approve(
    prepared: Prepared,
    changed?: Partial<NewApproval>,
    round?: number,
    stepId?: string,
  ): Promise<string>;
  /** The command that the worker asks for. */
  order(prepared: Prepared, changed?: Partial<SignCommandRequest>): Promise<SignCommandRequest>;
  /** `signed`, or the code of the refusal. */
  sign(prepared: Prepared, changed?: Partial<SignCommandRequest>): Promise<string>;
  asWorker<T>(work: (tx: Tx) => Promise<T>): Promise<T>;
  asApi<T>(work: (tx: Tx) => Promise<T>): Promise<T>;
}

/** Makes a scene; drop its database at the end. */
export async function createSignerScene(options: SceneOptions = {}): Promise<SignerScene> {
  const scene = await createPromotionScene({ policyDigest: SCENE_POLICY, ...options });
  const signer = scene.database.poolOf('sluice_signer');
  const keyPair = generateKeyPair();
  const asWorker: SignerScene['asWorker'] = (work) => withTenant(scene.worker, SCENE_TENANT, work);
  const asApi: SignerScene['asApi'] = (work) => withTenant(scene.app, SCENE_TENANT, work);
  let keys = 0;
  const order: SignerScene['order'] = async ({ promotion, plan, planDigest }, changed = {}) => {
    const { promotionId } = promotion;
    const now = Date.now();
    const kind = changed.kind ?? 'deploy';
    const payload = await asWorker((tx) => composePlanPayload(tx, promotion, kind, plan));
    return {
      tenantId: SCENE_TENANT,
      promotionId,
      target: 'dev-1',
      kind,
      planDigest,
      payloadDigest: digestOf(payload),
      idempotencyKey: `${promotionId}/deploy/dev-1/${kind}`,
      sequence: 1000,
      notBefore: new Date(now - 1000).toISOString(),
      expiresAt: new Date(now + 60_000).toISOString(),
      ...changed,
    };
  };
  return {
    scene,
    signer,
    keyPair,
    asWorker,
    asApi,
    order,
    prepare: (wanted) => prepare(scene, wanted),
    planAgain: (prepared, round) =>
      asWorker(async (tx) => {
        const { promotionId, releaseDigest } = prepared.promotion;
        const plans = [{ target: 'dev-1', plan: prepared.planDigest }];
        // Another target makes it another set.
        const planSet = composePlanSet(promotionId, releaseDigest, [
          ...plans,
          { target: `round-${round}`, plan: prepared.planDigest },
        ]);
        return {
          ...prepared,
          planSetDigest: await insertPlanSet(tx, { promotionId, round, planSet }),
        };
      }),
    ask: ({ promotion, planSetDigest }, state = 'approved', round = 1, stepId = 'approval') =>
      asWorker(async (tx) => {
        const place = { promotionId: promotion.promotionId, stepId, round };
        await insertApprovalRequest(tx, {
          ...place,
          releaseDigest: promotion.releaseDigest,
          planDigest: planSetDigest,
          rule: { count: 1, roles: ['approver'], deadlineSeconds: 60 },
          requesterPersonId: promotion.requestedPerson,
          deadline: new Date(Date.now() + 60_000).toISOString(),
        });
        if (state !== 'waiting') await closeApprovalRequest(tx, { ...place, state, reason: null });
      }),
    approve: async ({ promotion, planSetDigest }, changed = {}, round = 1, stepId = 'approval') => {
      const principalId = changed.principalId ?? 'bob';
      keys += 1;
      const approvalId = `${principalId}/key-${keys}`;
      await asApi((tx) =>
        insertApproval(tx, {
          approvalId,
          promotionId: promotion.promotionId,
          principalId,
          personId: principalId,
          kind: 'person',
          role: 'approver',
          decision: 'approve',
          comment: '',
          releaseDigest: promotion.releaseDigest,
          planDigest: planSetDigest,
          ...changed,
        }),
      );
      const statementDigest = digestOfBytes(approvalId);
      await asWorker((tx) => recordApproval(tx, { approvalId, stepId, round, statementDigest }));
      return approvalId;
    },
    sign: async (prepared, changed) => {
      const answer = await signCommand(signer, keyPair, await order(prepared, changed));
      return answer.ok ? 'signed' : answer.refusal.code;
    },
  };
}

/** The decision of a gate. */
export function decisionOf(outcome: DecisionOutcome, policyDigest = SCENE_POLICY): Decision {
  return {
    decision: outcome,
    reasonCodes: outcome === 'allow' ? [] : ['secret-found'],
    policyDigest,
    inputDigest: digestOfBytes('input'),
    determinismHash: digestOfBytes('hash'),
    evaluatedAt: '2026-11-21T12:00:00Z',
    trace: [],
  };
}

async function prepare(
  scene: PromotionScene,
  { releaseDigest, kind = 'promote', ...wanted }: PrepareOptions,
): Promise<Prepared> {
  const { requestedBy = 'alice', requestedPerson = requestedBy } = wanted;
  const { promotionId } = await scene.addPromotion(releaseDigest, {
    kind,
    requestedBy,
    requestedPerson,
  });
  const approved = wanted.rules?.approval != null;
  const pipeline =
    kind === 'rollback' ? ROLLBACK_PIPELINE : approved ? APPROVED_PIPELINE : STANDARD_PIPELINE;
  return withTenant(scene.worker, SCENE_TENANT, async (tx) => {
    const rules: FrozenRules = {
      releaseDigest,
      pipeline,
      pipelineDigest: digestOf(pipeline),
      policyDigest: SCENE_POLICY,
      targets: ['dev-1'],
      deadlines: DEFAULT_DEADLINES,
      form: 2,
      kind,
      approval: null,
      predecessors: [],
      requester: { principalId: requestedBy, personId: requestedPerson },
      rulesDigest: digestOfBytes('rules'),
      ...wanted.rules,
    };
    await storeRules(tx, promotionId, rules);
    await setPromotionState(tx, { promotionId, state: 'running' });
    await tx.query(`update sluice.leases set holder = null where tenant_id = $1`, [tx.tenantId]);
    await tx.query(`delete from sluice.lease_queue where tenant_id = $1`, [tx.tenantId]);
    await takeLease(tx, { resource: 'environment:dev', holder: `promotion:${promotionId}` });
    if (wanted.decision !== null && kind === 'promote') {
      const decision = decisionOf(wanted.decision ?? 'allow');
      await insertDecision(tx, { promotionId, stepId: 'gate', decision });
    }
    const { body } = await getRelease(tx, releaseDigest);
    const honest: PlanSide | null =
      body.components.length === 0
        ? null
        : { release: releaseDigest, components: body.components, settings: { PORT: '8080' } };
    const { desired = honest, current = null } = wanted;
    const plan = composePlan('dev-1', current, desired);
    const planDigest = await insertPlan(tx, plan);
    await upsertDeployment(tx, { promotionId, target: 'dev-1', planDigest });
    const planSet = composePlanSet(promotionId, releaseDigest, [
      { target: 'dev-1', plan: planDigest },
    ]);
    const planSetDigest = await insertPlanSet(tx, { promotionId, round: 1, planSet });
    return { promotion: await getPromotion(tx, promotionId), plan, planDigest, planSetDigest };
  });
}
