import type { CourseStep, ResolvedPipeline, ResolvedStep } from '@sluice/domain';
import { isCourse } from '@sluice/domain';
import {
  findPromotionHead,
  getResolvedPipeline,
  type Pool,
  type PromotionRecord,
  type Tx,
} from '@sluice/persistence';
import { FAILURES, type FrozenRules, type PromotionRef } from '@sluice/temporal-contract';
import { activityFailure } from '../failures.ts';

/** A promotion with what it holds to. */
export interface FrozenPromotion {
  readonly promotion: PromotionRecord;
  readonly rules: FrozenRules;
}

/** One step as it is resolved and as the interpreter knows it. */
export interface FrozenStep {
  readonly resolved: ResolvedStep;
  readonly course: CourseStep;
}

/** Reads what never changes once: rules of promotions, and what they run. Bounded. */
export interface FrozenCourses {
  /** A promotion, whose rules are read once, when they are frozen; undefined where there is none. */
  find(tx: Tx, promotionId: string): Promise<PromotionRecord | undefined>;
  /** @throws ApplicationFailure `NotFound`, or `Integrity` where nobody froze its rules */
  read(tx: Tx, promotionId: string): Promise<FrozenPromotion>;
  /** The rules alone, without a question where they are known. Throws as `read`. */
  readRules(tx: Tx, promotionId: string): Promise<FrozenRules>;
  /** A step of form 3 that is known without a question, with the rules that it runs by. */
  findKnown(
    promotion: PromotionRef,
    stepId: string,
  ): { readonly rules: FrozenRules; readonly step: FrozenStep } | undefined;
  /**
   * A step of a promotion of form 3.
   * @throws ApplicationFailure `InvalidInput` for another form, or no such step
   */
  readStep(tx: Tx, rules: FrozenRules, stepId: string): Promise<FrozenStep>;
}

/** Promotions and pipelines that are kept at a time: those that run now. */
const KEPT = 50;

/** {@link FrozenCourses} for one worker. */
export function createFrozenCourses(): FrozenCourses {
  const rulesOf = new Map<string, FrozenRules>();
  const stepsOf = new Map<string, ReadonlyMap<string, FrozenStep>>();
  const find: FrozenCourses['find'] = async (tx, promotionId) => {
    const key = `${tx.tenantId}/${promotionId}`;
    const known = rulesOf.get(key);
    const promotion = await findPromotionHead(tx, promotionId, { withRules: known === undefined });
    if (promotion === undefined) return undefined;
    const rules = known ?? (promotion.rules as FrozenRules | null);
    if (rules === null) return promotion;
    keep(rulesOf, key, rules);
    return { ...promotion, rules: { ...rules } };
  };
  const read: FrozenCourses['read'] = async (tx, promotionId) => {
    const promotion = await find(tx, promotionId);
    if (promotion === undefined) {
      throw activityFailure(FAILURES.notFound, `There is no promotion ${promotionId}.`);
    }
    return { promotion, rules: requireRules(promotion) };
  };
  return {
    find,
    read,

    async readRules(tx, promotionId) {
      const key = `${tx.tenantId}/${promotionId}`;
      const known = rulesOf.get(key);
      if (known === undefined) return (await read(tx, promotionId)).rules;
      keep(rulesOf, key, known);
      return known;
    },

    findKnown({ tenantId, promotionId }, stepId) {
      const rules = rulesOf.get(`${tenantId}/${promotionId}`);
      if (rules === undefined) return undefined;
      const step = stepsOf.get(`${tenantId}/${rules.rulesDigest}`)?.get(stepId);
      return step && { rules, step };
    },

    async readStep(tx, rules, stepId) {
      const key = `${tx.tenantId}/${rules.rulesDigest}`;
      const steps = stepsOf.get(key) ?? (await readSteps(tx, rules));
      keep(stepsOf, key, steps);
      const step = steps.get(stepId);
      if (step !== undefined) return step;
      throw activityFailure(
        FAILURES.invalidInput,
        `Pipeline ${rules.pipeline.name}@${rules.pipeline.version} as it was frozen has no step ${stepId}.`,
      );
    },
  };
}

const COURSES = new WeakMap<Pool, FrozenCourses>();

/** {@link FrozenCourses} of all who read through this pool. */
export function frozenCoursesOf(pool: Pool): FrozenCourses {
  const courses = COURSES.get(pool) ?? createFrozenCourses();
  COURSES.set(pool, courses);
  return courses;
}

async function readSteps(
  tx: Tx,
  { pipeline, pipelineDigest }: FrozenRules,
): Promise<ReadonlyMap<string, FrozenStep>> {
  if (!isCourse(pipeline)) {
    throw activityFailure(
      FAILURES.invalidInput,
      `Pipeline ${pipeline.name}@${pipeline.version} is built in: its steps have no inputs, members or compensations of their own.`,
    );
  }
  const resolved: ResolvedPipeline = await getResolvedPipeline(tx, pipelineDigest);
  const courses = new Map(pipeline.steps.map((step) => [step.id, step]));
  return new Map(
    resolved.steps.flatMap((step) => {
      const course = courses.get(step.id);
      return course === undefined ? [] : [[step.id, { resolved: step, course }]];
    }),
  );
}

/** The one that was used longest ago goes. */
function keep<Value>(kept: Map<string, Value>, key: string, value: Value): void {
  kept.delete(key);
  kept.set(key, value);
  if (kept.size <= KEPT) return;
  const [oldest] = kept.keys();
  if (oldest !== undefined) kept.delete(oldest);
}

/** The rules of a promotion that were frozen before its first step; throws when there are none. */
export function requireRules(promotion: PromotionRecord): FrozenRules {
  if (promotion.rules !== null) return promotion.rules as unknown as FrozenRules;
  throw activityFailure(
    FAILURES.integrity,
    `Promotion ${promotion.promotionId} has no frozen rules: freezeRules runs before everything else.`,
  );
}
