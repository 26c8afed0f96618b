import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { CourseStep } from '@sluice/domain';
import type { PlayedCourse } from '../../../test/src/workflows/course-stage.ts';
import { fails, playCourse } from '../../../test/src/workflows/course-stage.ts';
import { step } from '../../../test/src/workflows/fake-course-rules.ts';
import type { PromotionStage } from '../../../test/src/workflows/promotion-stage.ts';
import { openPromotionStage } from '../../../test/src/workflows/promotion-stage.ts';
import { simulateCourse } from '../../../test/src/workflows/simulate-course.ts';
import { mulberry32 } from '../../../test/support/event-kills/kill-cases.ts';
import { ALL_PLACES } from '../../../test/support/fault-sample.ts';

const SEED = Number(process.env.SLUICE_TEST_SEED ?? Date.now() % 1_000_000);
const DAGS = ALL_PLACES ? 300 : 24;
const AT_ONCE = 15;

let stage: PromotionStage;

beforeAll(async () => {
  stage = await openPromotionStage();
});
afterAll(() => stage.close());

interface Case {
  readonly name: string;
  readonly steps: readonly CourseStep[];
  readonly broken: ReadonlySet<string>;
  readonly failFast: boolean;
}

/** A random course: edges to earlier steps, named in another order, so that the pipeline's order says nothing. */
function composeCase(seed: number): Case {
  const random = mulberry32(seed);
  const chance = (probability: number): boolean => random() < probability;
  const count = 2 + Math.floor(random() * 12);
  const broken = new Set<string>();
  const steps = Array.from({ length: count }, (_, index) => {
    const id = `s${index}`;
    const needs = Array.from({ length: index }, (_unused, at) => `s${at}`).filter(() =>
      chance(Math.min(0.5, 2 / index)),
    );
    if (chance(0.15)) broken.add(id);
    const when = chance(0.25)
      ? (['always', 'onFailure', 'onCancel'] as const)[Math.floor(random() * 3)]
      : undefined;
    const first = needs[0];
    const asks = first !== undefined && chance(0.15);
    const outcome = chance(0.5) ? 'succeeded' : 'failed';
    return step(id, {
      needs,
      type: chance(0.3) ? 'script@1' : 'noop@1',
      ...(when === undefined ? {} : { when }),
      ...(asks ? { if: `steps.${first}.outcome == '${outcome}'` } : {}),
      ...(chance(0.15) ? { continueOnFailure: true as const } : {}),
    });
  });
  const shuffled = steps
    .map((one) => ({ one, key: random() }))
    .sort((a, b) => a.key - b.key)
    .map(({ one }) => one);
  return { name: `seed ${seed}`, steps: shuffled, broken, failFast: chance(0.3) };
}

function play({ steps, broken, failFast }: Case): Promise<PlayedCourse> {
  return playCourse(stage, steps, {
    rules: { failFast },
    steps: Object.fromEntries([...broken].map((id) => [id, fails])),
  });
}

test(
  'random courses end as a simple model says, in an order that respects needs, and nothing twice',
  async () => {
    console.info(`random courses: seed ${SEED}`);
    const cases = Array.from({ length: DAGS }, (_, index) => composeCase(SEED + index));
    let next = 0;
    const lane = async (): Promise<void> => {
      for (let one = cases[next]; one !== undefined; one = cases[next]) {
        next += 1;
        judge(one, await play(one));
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, lane));
  },
  DAGS * 5_000,
);

function judge(one: Case, played: PlayedCourse): void {
  const { records, result } = played;
  const { name } = one;
  expect({ name, twice: records.begun.length }).toEqual({
    name,
    twice: new Set(records.begun).size,
  });
  expect({ name, refusals: records.refusals }).toEqual({ name, refusals: [] });
  // What each step needs had ended, as the records have it, before it began.
  const place = new Map(records.changes.map((change, index) => [change, index]));
  for (const { id, needs } of one.steps) {
    const began = place.get(`${id} running`);
    if (began === undefined) continue;
    for (const need of needs) {
      const ended = records.changes.findIndex(
        (change) => OVER.test(change) && change.startsWith(`${need} `),
      );
      expect({ name, id, need, isBefore: ended >= 0 && ended < began }).toMatchObject({
        isBefore: true,
      });
    }
  }
  const states = Object.fromEntries(records.stepStates);
  const undone = records.journal.filter((line) => line.startsWith('undo'));
  if (one.failFast) {
    // What began before a failure was known, and in which phase the rest ran, depends on time alone.
    const ends = undone.length > 0 ? ['reverted'] : ['failed', 'succeeded'];
    expect({ name, isOne: ends.includes(result.state) }).toEqual({ name, isOne: true });
    expect(Object.values(states).filter((state) => !SETTLED.test(state))).toEqual([]);
  } else {
    expect({ name, states, state: result.state }).toEqual({ name, ...simulateCourse(one) });
  }
  // Of two that ended beside each other the workflow may hear the other way round than the records.
  const order = undone.map((line) => line.split(' ')[1] ?? '');
  const tooEarly = order.filter((id, at) => {
    const behind = dependentsOf(one.steps, id);
    return order.slice(at + 1).some((later) => behind.has(later));
  });
  expect({ name, order, tooEarly }).toEqual({ name, order, tooEarly: [] });
}

/** Steps that need one, or that need such a step. */
function dependentsOf(steps: readonly CourseStep[], id: string): ReadonlySet<string> {
  const found = new Set([id]);
  for (let before = 0; before < found.size; ) {
    before = found.size;
    for (const step of steps) if (step.needs.some((need) => found.has(need))) found.add(step.id);
  }
  found.delete(id);
  return found;
}

const SETTLED = /^(succeeded|failed|skipped|reverted)$/;
const OVER = / (succeeded|failed|skipped|reverted)$/;
