import { isCourse } from '@sluice/domain';
import type { EvidenceStore } from '@sluice/evidence-store';
import { isOutcomeUnknown, type Pool, type Tx, withTenant } from '@sluice/persistence';
import { findInputReads } from '@sluice/pure';
import type { ExecuteStepInput } from '@sluice/temporal-contract';
import { type Beginning, type BegunExecution, beginExecutions } from './begin-execution.ts';
import type { FrozenCourses } from './frozen-course.ts';
import { settleExecutions } from './settle-execution.ts';
import type { SettledStep, StepEnd } from './settle-step.ts';
import type { StepType } from './step-type.ts';
import { doTogether, type Told } from './together.ts';

/** Executions that begin or end in one transaction. */
const MOST = 64;

/**
 * Executions of form 3 that begin and end at the same time share statements and commits: members of one step, and steps of one promotion. Each
 * is told when its own record stands.
 */
export interface ExecutionsTogether {
  /** Undefined for what begins on its own: what reads outputs of steps, and what is of a pipeline that this worker has not seen yet. */
  begin(input: ExecuteStepInput, type: StepType): Promise<BegunExecution> | undefined;
  /** Undefined for what ends on its own: what has rows of its own, or is kept even when it was ended before. */
  settle(tenantId: string, end: StepEnd): Promise<SettledStep> | undefined;
}

interface Ending {
  readonly tenantId: string;
  readonly end: StepEnd;
}

/** {@link ExecutionsTogether} of one worker. */
export function createExecutionsTogether(parts: {
  readonly pool: Pool;
  readonly evidence: EvidenceStore;
  readonly courses: FrozenCourses;
}): ExecutionsTogether {
  const { pool, courses } = parts;
  const beginnings = doTogether<Beginning, BegunExecution>(
    (items) =>
      orEachAlone(pool, items[0]?.input.promotion.tenantId ?? '', items, (tx, some) =>
        beginExecutions(tx, parts, some),
      ),
    ({ input }) => nameOf(input),
    MOST,
  );
  const endings = doTogether<Ending, SettledStep>(
    (items) =>
      orEachAlone(pool, items[0]?.tenantId ?? '', items, (tx, some) =>
        settleExecutions(
          tx,
          some.map(({ end }) => end),
        ),
      ),
    ({ end: { stepId, target, member = target } }) => nameOf({ stepId, member }),
    MOST,
  );
  return {
    begin: (input, type) => {
      const { promotion, member } = input;
      const known = courses.findKnown(promotion, input.stepId);
      if (known === undefined) return undefined;
      const reads = findInputReads(known.step.resolved.inputs);
      if (reads.some(([root]) => root === 'steps')) return undefined;
      return beginnings.add(laneOf(promotion.tenantId, { ...input, ...promotion, member }), {
        ...{ input, type },
        ...known,
      });
    },
    settle: (tenantId, end) => {
      const { promotion, target, member = target } = end;
      const isOwn = end.record !== undefined || end.evenWhenEnded === true;
      if (isOwn || !isCourse(end.rules.pipeline)) return undefined;
      const { promotionId } = promotion;
      return endings.add(laneOf(tenantId, { ...end, promotionId, member }), { tenantId, end });
    },
  };
}

/** Members of one step in one round go together, and steps without members of one promotion. */
function laneOf(
  tenantId: string,
  {
    promotionId,
    stepId,
    round = 1,
    member,
  }: {
    readonly promotionId: string;
    readonly stepId: string;
    readonly round?: number | undefined;
    readonly member?: unknown;
  },
): string {
  const whole = `${tenantId}/${promotionId}`;
  return member === undefined ? whole : `${whole}/${stepId}~${round}`;
}

/** Of an execution in its lane. */
function nameOf({
  stepId,
  member,
}: {
  readonly stepId: string;
  readonly member?: { readonly key: string } | string | undefined;
}): string {
  if (member === undefined) return stepId;
  return typeof member === 'string' ? member : member.key;
}

/** Where it cannot be done for all of them, each is done on its own, and told what came of it. */
async function orEachAlone<Item, Answer>(
  pool: Pool,
  tenantId: string,
  items: readonly Item[],
  work: (tx: Tx, items: readonly Item[]) => Promise<readonly Told<Answer>[]>,
): Promise<readonly Told<Answer>[]> {
  const run = (some: readonly Item[]): Promise<readonly Told<Answer>[]> =>
    withTenant(pool, tenantId, (tx) => work(tx, some));
  if (items.length > 1) {
    try {
      return await run(items);
    } catch (error) {
      // Where it may have been committed, whoever tries again looks first; else nothing was, and none has to begin again for the others.
      if (isOutcomeUnknown(error)) throw error;
    }
  }
  return Promise.all(
    items.map(async (item): Promise<Told<Answer>> => {
      try {
        const [told] = await run([item]);
        return told ?? { error: new Error('Nothing was said of it.') };
      } catch (error) {
        return { error };
      }
    }),
  );
}
