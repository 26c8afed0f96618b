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
  listReports,
  listStatements,
  listSteps,
  type PromotionRecord,
  type ReleaseRecord,
  type Tx,
} from '@sluice/persistence';

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
  const commands: (CommandEvidence & { readonly target: string })[] = [];
  for (const command of await listCommands(tx, promotionId)) {
    const reports = await listReports(tx, command.commandDigest);
    commands.push({
      target: command.target,
      kind: command.kind,
      digest: command.commandDigest,
      envelope: command.envelope,
      reports: reports.map(({ stage, envelope }) => ({ stage, envelope })),
    });
  }
  const deployments: DeploymentFacts[] = [];
  for (const record of await listDeployments(tx, promotionId)) {
    if (record.state === 'planned') continue;
    const plan = await getPlan(tx, record.planDigest);
    deployments.push({
      target: record.target,
      planDigest: record.planDigest,
      state: record.state === 'dispatched' ? 'lost' : record.state,
      failure: record.failure,
      desired: plan.desired,
      commands: commands
        .filter(({ target }) => target === record.target)
        .map(({ target: _target, ...command }) => command),
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
    statements: (await listStatements(tx, promotionId)).map(({ envelope }) => envelope),
    deployments,
    plan: (await findPlanSet(tx, promotionId))?.digest ?? null,
    approval: await readApproval(tx, promotionId),
  };
}

async function readApproval(tx: Tx, promotionId: string): Promise<PromotionEvidence['approval']> {
  const request = await findApprovalRequest(tx, promotionId);
  if (request === undefined) return null;
  const { stepId, round, state, planDigest } = request;
  return { stepId, round, state, planDigest };
}
