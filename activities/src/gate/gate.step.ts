import { type Decision, isNothing, PREDICATE_TYPES, parseStepType } from '@sluice/domain';
import {
  findDecision,
  getRelease,
  insertDecision,
  type PromotionRecord,
  type ReleaseRecord,
  withTenant,
} from '@sluice/persistence';
import { FAILURES, type StepResult } from '@sluice/temporal-contract';
import { withHeartbeats } from '../activity-scope.ts';
import type { ActivityDependencies } from '../dependencies.ts';
import { recordStatement, signStatement, statementContext } from '../evidence/statement-signing.ts';
import {
  putDocument,
  readDocument,
  recordBlobs,
  type StoredBlob,
} from '../evidence/stored-document.ts';
import { activityFailure, errorCodeOf, errorMessageOf } from '../failures.ts';
import { recordEventOf } from '../records/promotion-event.ts';
import { releaseNotMade } from '../release/release-not-made.ts';
import {
  type StepOutcome,
  type StepRun,
  type StepType,
  succeededResult,
} from '../step/step-type.ts';
import {
  composeGateInput,
  findInputDigest,
  type GateInput,
  type ScanDocument,
  type StageFacts,
} from './gate-input.ts';
import { listHeldClosures } from './held-closures.ts';

const INPUT_MEDIA_TYPE = 'application/vnd.sluice.gate-input+json';

/** Longest that one evaluation may take, whatever the environment's deadline. */
const MAX_EVALUATION_MS = 10_000;

/** What asking a policy needs. */
export type GateParts = Pick<ActivityDependencies, 'pool' | 'evidence' | 'signer' | 'decisions'>;

/**
 * `gate@1`: asks the frozen policy. The decision is committed first and alone, because the signer reads it
 * itself before it signs the decision statement; statement, effect and state follow in one transaction. A retry
 * takes the decision that is stored.
 */
export function createGateStep(parts: GateParts): StepType {
  return {
    type: 'gate',
    version: 1,
    run: (run) => withHeartbeats(run.scope, 'gate', () => decide(parts, run)),
  };
}

/** Who asks, and what. `stepId` names the decision. */
export interface GateRun extends Pick<StepRun, 'promotion' | 'rules' | 'log'> {
  readonly input: Pick<
    StepRun['input'],
    'promotion' | 'stepId' | 'inputDigests' | 'scheduledAt' | 'traceparent'
  >;
  /** Of a rollout. */
  readonly stage?: StageFacts;
}

/** Asks the policy that was frozen, once for each name of a decision; a repetition has the decision that is stored. */
export async function decide(parts: GateParts, run: GateRun): Promise<StepOutcome> {
  const { input, promotion } = run;
  const { tenantId, promotionId } = input.promotion;
  const known = await withTenant(parts.pool, tenantId, async (tx) => ({
    release: await getRelease(tx, promotion.releaseDigest),
    decision: (await findDecision(tx, promotionId, input.stepId))?.body,
  }));
  if (isNothing(known.release.body)) return { result: releaseNotMade(promotionId) };
  const question = await composeQuestion(parts, run, known.release);
  const blob = await putDocument(parts.evidence, question, INPUT_MEDIA_TYPE);
  const decision =
    known.decision ?? (await storeDecision(parts, run, await evaluate(parts, run, question), blob));
  run.log.info({ decision: decision.decision, reasonCodes: decision.reasonCodes }, 'decided');
  const signed = await signStatement(
    parts.signer,
    tenantId,
    statementContext(promotionId, known.release),
    PREDICATE_TYPES.decision,
    { stepId: input.stepId, decision },
  );
  return {
    result: resultOf(decision, promotion),
    record: (tx) => recordStatement(tx, promotionId, signed, { stepId: input.stepId }),
  };
}

async function composeQuestion(
  { pool, evidence }: GateParts,
  { input, promotion, rules, stage }: GateRun,
  release: ReleaseRecord,
): Promise<GateInput> {
  const scans = rules.pipeline.steps.filter(({ type }) => parseStepType(type).type === 'scan');
  const scanIds = new Set(scans.map(({ id }) => id));
  const read = async (output: string): Promise<ScanDocument | undefined> => {
    const digest = findInputDigest(input.inputDigests, scanIds, output);
    if (digest === undefined) return undefined;
    return { digest, document: await readDocument(evidence, digest) };
  };
  return composeGateInput(
    {
      ...input.promotion,
      environment: promotion.environment,
      release: { ...release.body, digest: release.releaseDigest },
      evaluatedAt: input.scheduledAt,
    },
    await read('findings'),
    await read('sbom'),
    await listHeldClosures({ pool, evidence }, input.promotion.tenantId, release.body.components),
    stage,
  );
}

async function evaluate(
  { decisions }: GateParts,
  { rules }: GateRun,
  question: GateInput,
): Promise<Decision> {
  const deadlineMs = Math.min(MAX_EVALUATION_MS, rules.deadlines.gateSeconds * 1000);
  const { policyDigest } = rules;
  try {
    return await decisions.evaluate({ policyDigest, input: { ...question }, deadlineMs });
  } catch (error) {
    const code = errorCodeOf(error);
    if (code === undefined) throw error;
    throw activityFailure(
      PASSING_CODES.has(code) ? FAILURES.unavailable : FAILURES.policyUnavailable,
      `Policy bundle ${policyDigest} gave no decision: ${errorMessageOf(error)} ` +
        'Put the bundle where the worker reads policies, then promote again.',
      error,
    );
  }
}

/** Troubles of the engine itself, which pass. */
const PASSING_CODES: ReadonlySet<string> = new Set([
  'decision-engine-busy',
  'decision-engine-closed',
]);

async function storeDecision(
  { pool }: GateParts,
  { input, promotion }: GateRun,
  decision: Decision,
  question: StoredBlob,
): Promise<Decision> {
  const { tenantId, promotionId } = input.promotion;
  return withTenant(pool, tenantId, async (tx) => {
    await recordBlobs(tx, [question]);
    const inserted = await insertDecision(tx, { promotionId, stepId: input.stepId, decision });
    if (inserted) {
      await recordEventOf(tx, 'decision.made', promotion, {
        step: input.stepId,
        decision: decision.decision,
        reasonCodes: decision.reasonCodes,
        determinismHash: decision.determinismHash,
        input: question.digest,
      });
    }
    return decision;
  });
}

function resultOf(decision: Decision, promotion: PromotionRecord): StepResult {
  if (decision.decision === 'allow') {
    return succeededResult({ decision: decision.determinismHash });
  }
  const against = decision.trace.filter(({ result }) => result !== 'allow');
  const words = against
    .slice(0, 5)
    .map(({ rule, finding, remedy }) => `${rule}: ${finding} ${remedy}`.trim());
  const more = against.length > 5 ? ` And ${against.length - 5} more findings.` : '';
  const what = decision.decision === 'deny' ? 'was denied' : 'is not allowed yet';
  return {
    outcome: 'denied',
    outputs: { decision: decision.determinismHash },
    reason: {
      code: decision.reasonCodes[0] ?? 'denied-without-reason',
      message:
        `Promotion ${promotion.promotionId} ${what} by the gate ` +
        `(${decision.reasonCodes.join(', ')}). ${words.join(' ')}${more}`.trim(),
    },
  };
}
