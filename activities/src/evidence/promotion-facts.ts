import type { Envelope, PlanSide } from '@sluice/domain';
import {
  type ApprovalRequestRecord,
  type DeploymentRecord,
  findApprovalRequest,
  findPlanSet,
  getPlan,
  getPromotion,
  getRelease,
  listCommands,
  listDeployments,
  listPlansByDigest,
  listReportsOf,
  listStatements,
  listSteps,
  type PromotionRecord,
  type ReleaseRecord,
  type Tx,
} from '@sluice/persistence';
import { gatherMembers, type MemberList } from './member-list.ts';

/** One signed report as it goes into a deployment statement. */
export interface ReportEvidence {
  readonly stage: string;
  readonly envelope: Envelope;
}

/** One command and everything its agent said about it. */
export interface CommandEvidence {
  readonly kind: string;
  readonly digest: string;
  readonly envelope: Envelope;
  readonly reports: readonly ReportEvidence[];
}

/** What became of one target, as it is sealed. */
export interface DeploymentFacts {
  readonly target: string;
  readonly planDigest: string;
  /** `lost` where the agent's last word is missing. */
  readonly state: DeploymentRecord['state'];
  readonly failure: DeploymentRecord['failure'];
  readonly desired: PlanSide | null;
  readonly commands: readonly CommandEvidence[];
}

/** Everything that a promotion's seal is made of; the same records give the same value. */
export interface PromotionEvidence {
  readonly promotion: PromotionRecord;
  readonly release: ReleaseRecord;
  readonly steps: readonly {
    readonly id: string;
    readonly type: string;
    readonly state: string;
    readonly reason: string | null;
    readonly outputs: Readonly<Record<string, string>>;
  }[];
  /** Of the steps that have members; none in promotions of before. */
  readonly members: readonly MemberList[];
  /** In the order in which they were made. */
  readonly statements: readonly Envelope[];
  /** By target name. */
  readonly deployments: readonly DeploymentFacts[];
  /** Digest of the newest plan set; null before it was planned. */
  readonly plan: string | null;
  /** The newest request for approval; null where nobody was asked. */
  readonly approval: Pick<
    ApprovalRequestRecord,
    'stepId' | 'round' | 'state' | 'planDigest'
  > | null;
}

/** Reads all of it in one transaction. */
export async function gatherEvidence(tx: Tx, promotionId: string): Promise<PromotionEvidence> {
  const promotion = await getPromotion(tx, promotionId);
  const commands = await gatherCommands(tx, promotionId);
  const records = (await listDeployments(tx, promotionId)).filter(
    ({ state }) => state !== 'planned',
  );
  const plans = new Map(
    (await listPlansByDigest(tx, [...new Set(records.map(({ planDigest }) => planDigest))])).map(
      ({ digest, body }) => [digest, body],
    ),
  );
  const deployments: DeploymentFacts[] = [];
  for (const { target, planDigest, state, failure } of records) {
    const plan = plans.get(planDigest) ?? (await getPlan(tx, planDigest));
    deployments.push({
      target,
      planDigest,
      state: state === 'dispatched' ? 'lost' : state,
      failure,
      desired: plan.desired,
      commands: commands.get(target) ?? [],
    });
  }
  return {
    promotion,
    release: await getRelease(tx, promotion.releaseDigest),
    steps: (await listSteps(tx, promotionId)).map(({ stepId, type, state, reason, outputs }) => ({
      id: stepId,
      type,
      state,
      reason: reason?.code ?? null,
      outputs,
    })),
    members: await gatherMembers(tx, promotion),
    statements: (await listStatements(tx, promotionId)).map(({ envelope }) => envelope),
    deployments,
    plan: (await findPlanSet(tx, promotionId))?.digest ?? null,
    approval: await readApproval(tx, promotionId),
  };
}

/** By target, each with what its agent said, in the order in which they were given. */
async function gatherCommands(
  tx: Tx,
  promotionId: string,
): Promise<ReadonlyMap<string, readonly CommandEvidence[]>> {
  const commands = await listCommands(tx, promotionId);
  const digests = commands.map(({ commandDigest }) => commandDigest);
  const reports = new Map<string, ReportEvidence[]>(digests.map((digest) => [digest, []]));
  for (const { body, stage, envelope } of await listReportsOf(tx, digests)) {
    reports.get(body.commandDigest)?.push({ stage, envelope });
  }
  const byTarget = new Map<string, CommandEvidence[]>();
  for (const { target, kind, commandDigest: digest, envelope } of commands) {
    const own = byTarget.get(target) ?? [];
    own.push({ kind, digest, envelope, reports: reports.get(digest) ?? [] });
    byTarget.set(target, own);
  }
  return byTarget;
}

async function readApproval(tx: Tx, promotionId: string): Promise<PromotionEvidence['approval']> {
  const request = await findApprovalRequest(tx, promotionId);
  if (request === undefined) return null;
  const { stepId, round, state, planDigest } = request;
  return { stepId, round, state, planDigest };
}
