import {
  type AnalysisPlan,
  DEFAULT_INTERVAL_SECONDS,
  limitsAlone,
  type RolloutInputs,
  type RolloutStage,
  type WatchTimes,
  watchTimesOf,
} from '@sluice/domain';
import {
  type AnalysisRecord,
  findAnalysis,
  getPromotion,
  getRelease,
  getRollout,
  listTargetsByName,
  type PromotionRecord,
  type ReleaseRecord,
  type TargetRecord,
  type Tx,
} from '@sluice/persistence';
import { type ParsedAnalysis, parseAnalysis } from '@sluice/pipeline';
import { FAILURES, type FrozenRules, type RolloutActivities } from '@sluice/temporal-contract';
import { activityFailure } from '../failures.ts';
import { findCurrentSides } from '../plan/target-sides.ts';

/** Names one stage of a rollout. */
export type WatchStageInput = Parameters<RolloutActivities['watchStage']>[0];

/** What is watched. */
export interface StageSubject {
  readonly promotion: PromotionRecord;
  readonly release: ReleaseRecord;
  readonly stage: RolloutStage;
  readonly times: WatchTimes;
  readonly intervalSeconds: number;
  /** Targets that have the new version. */
  readonly canary: readonly TargetRecord[];
  /** Names of targets that serve and are not new, sorted. */
  readonly baseline: readonly string[];
  /** Null where health alone is watched. */
  readonly plan: AnalysisPlan | null;
}

/** Finds what a stage's watching is about, or what it came to. */
export async function findStageSubject(
  tx: Tx,
  { promotion: { promotionId }, stepId, round, stage: index, since }: WatchStageInput,
): Promise<{ readonly stored: AnalysisRecord } | { readonly subject: StageSubject }> {
  const key = { promotionId, stepId, round };
  const stored = await findAnalysis(tx, { ...key, stage: index });
  // A stage that was paused is watched again, from another time on.
  if (stored !== undefined && Date.parse(stored.startedAt) >= Date.parse(since)) return { stored };
  const { layout, inputs } = await getRollout(tx, key);
  const stage = layout.stages[index];
  if (stage === undefined) {
    throw activityFailure(
      FAILURES.invalidInput,
      `The rollout ${stepId} of ${promotionId} has no stage ${index}.`,
    );
  }
  const promotion = await getPromotion(tx, promotionId);
  const release = await getRelease(tx, promotion.releaseDigest);
  const { intervalSeconds = DEFAULT_INTERVAL_SECONDS, analysis } =
    inputs as unknown as RolloutInputs;
  const fresh = layout.members.slice(0, stage.to);
  const rules = promotion.rules as FrozenRules | null;
  const baseline = stage.analyse
    ? await listServing(tx, [...layout.members, ...(rules?.targets ?? [])], fresh)
    : [];
  const plan = stage.analyse && analysis !== undefined ? planOf(parseAnalysis(analysis)) : null;
  const subject: StageSubject = {
    promotion,
    release,
    stage,
    times: watchTimesOf(stage.soakSeconds, intervalSeconds),
    intervalSeconds,
    canary: await listTargetsByName(tx, fresh),
    baseline,
    plan: plan !== null && baseline.length === 0 ? limitsAlone(plan) : plan,
  };
  return { subject };
}

/** Those on which something was put, by what is known of them, and that are not new. */
async function listServing(
  tx: Tx,
  names: readonly string[],
  fresh: readonly string[],
): Promise<readonly string[]> {
  const others = [...new Set(names)].filter((name) => !fresh.includes(name));
  const known = (await listTargetsByName(tx, others))
    .filter(({ removedAt }) => removedAt === null)
    .map(({ name }) => name)
    .sort();
  const sides = await findCurrentSides(tx, known);
  return known.filter((name) => {
    const side = sides.get(name);
    return side !== undefined && (!side.known || side.side !== null);
  });
}

/** What stands in the records was checked when the pipeline was rendered; a newer worker may know better. */
function planOf(parsed: ParsedAnalysis): AnalysisPlan {
  if (parsed.ok) return parsed.value;
  const [first] = parsed.problems;
  throw activityFailure(
    FAILURES.invalidInput,
    `The rollout's analysis cannot be read: ${first?.at ?? ''} ${first?.message ?? ''} Mend the pipeline, then promote again.`,
  );
}
