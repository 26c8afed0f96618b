import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { StepTypeRef } from '@sluice/domain';
import { findEffect, withTenant } from '@sluice/persistence';
import { BUILT_IN_STEP_TYPES } from '@sluice/pipeline';
import type { ExecuteStepInput, StepActivities, StepResult } from '@sluice/temporal-contract';
import type { ActivityScope } from '../activity-scope.ts';
import { listStepTypes } from '../create-activities.ts';
import type { ActivityDependencies } from '../dependencies.ts';
import { STEP_CREATORS } from '../steps.generated.ts';
import { type ConformanceRoom, openConformanceRoom } from '../testing/conformance-room.ts';
import { createFakeScope } from '../testing/fake-scope.ts';
import { STEP_FIXTURES } from '../testing/fixtures.generated.ts';
import type { FixtureRun } from '../testing/step-fixture.ts';
import { effectKey } from './effect-key.ts';
import { createStepActivities } from './execute-step.ts';
import { createStepRegistry } from './step-registry.ts';
import type { StepType } from './step-type.ts';

const OPENING_MS = 300_000;
const RUN_MS = 60_000;
/** A step that is cancelled ends within it, and so does one that cannot be slow. */
const SOON_MS = 15_000;

/** What these do is over before anybody could cancel it: they read and write records, and an agent goes on without the activity. */
const ENDS_AT_ONCE: ReadonlySet<StepTypeRef> = new Set<StepTypeRef>([
  'deploy@1',
  'gate@1',
  'noop@1',
  'plan@1',
  'release@1',
  'rollout@1',
]);

/** Put back by a command of its own that agents are given (`revertTarget`), and not by the type. */
const PUT_BACK_BY_AGENTS: ReadonlySet<StepTypeRef> = new Set<StepTypeRef>([
  'deploy@1',
  'rollout@1',
]);

const kindsOf = (wanted: 'activity' | 'control'): readonly StepTypeRef[] =>
  [...BUILT_IN_STEP_TYPES.values()]
    .filter(({ kind }) => kind === wanted)
    .map(({ type, version }) => `${type}@${version}` as const);

test('every registered step type is held to this: as an activity, or as a control step', () => {
  expect(STEP_FIXTURES.map(({ type }) => type).sort()).toEqual([...kindsOf('activity')].sort());
  const all = [...kindsOf('activity'), ...kindsOf('control')];
  expect(all.sort()).toEqual([...BUILT_IN_STEP_TYPES.keys()].sort());
});

test.each(kindsOf('control'))(
  "%s is the interpreter's own: no worker runs it, and it does nothing that could be put back",
  (name) => {
    const manifest = BUILT_IN_STEP_TYPES.get(name);
    expect(manifest).toMatchObject({
      ...{ queue: null, effect: 'none', idempotencyKey: null, compensation: null },
      ...{ perTarget: false, changesTargets: false, retry: { attempts: 1 } },
    });
    // Nothing that only some machines have.
    expect(manifest?.capabilities.filter((capability) => capability !== 'records')).toEqual([]);
    expect(STEP_CREATORS.map(([type]) => type)).not.toContain(name);
  },
);

describe.each(STEP_FIXTURES.map((fixture) => ({ fixture, name: fixture.type })))(
  '$name',
  ({ fixture }) => {
    let room: ConformanceRoom;
    let type: StepType;
    beforeAll(async () => {
      room = await openConformanceRoom(fixture);
      const found = listStepTypes(partsOf(room)).find(
        (one) => `${one.type}@${one.version}` === fixture.type,
      );
      if (found === undefined) throw new Error(`${fixture.type} is not built.`);
      type = found;
    }, OPENING_MS);
    afterAll(async () => room?.close(), OPENING_MS);

    const effects = async (): Promise<readonly string[]> => (await room.fixture.effects?.()) ?? [];

    test(
      'gives what its manifest promises, and once recorded it is not run again',
      async () => {
        expect(room.fixture.runs.length).toBeGreaterThan(0);
        // What must not happen twice unasked says when it begins: before that nothing is seen of it.
        const marks = room.manifest.effect === 'at-least-once';
        expect(type.marksEffect === true).toBe(marks);
        for (const run of room.fixture.runs) {
          const seenAtMark: number[] = [];
          const counted = countingRuns(type, async () => {
            seenAtMark.push((await effects()).length);
          });
          const input = await room.begin(run);
          const already = (await effects()).length;
          const first = await settle(room, activitiesOf(room, counted), input, run);
          expect({ run: run.name, ...first }).toMatchObject({
            run: run.name,
            outcome: 'succeeded',
            reason: null,
          });
          expect(seenAtMark).toEqual(marks ? [already] : []);
          const ran = counted.runs;
          const before = await effects();
          expect(await activitiesOf(room, counted).executeStep(input)).toEqual(first);
          expect(counted.runs).toBe(ran);
          expect(await effects()).toEqual(before);
        }
      },
      RUN_MS,
    );

    test(
      'run twice before it is recorded it does what its manifest says of its effect',
      async () => {
        const { effect } = room.manifest;
        expect(room.fixture.effects !== undefined).toBe(effect !== 'none');
        let seen = 0;
        for (const run of room.fixture.runs) {
          const input = await room.begin(run);
          const before = (await effects()).length;
          const result = await settle(room, activitiesOf(room, runningTwice(type)), input, run);
          expect({ run: run.name, ...result }).toMatchObject({
            run: run.name,
            outcome: 'succeeded',
          });
          const done = (await effects()).slice(before);
          seen += done.length;
          if (effect === 'none') expect(done).toEqual([]);
          if (effect === 'exactly-once') expect(done.length).toBeLessThanOrEqual(1);
          // Done again under its own key, so that the other side can know it.
          expect([...new Set(done)]).toEqual(done.length === 0 ? [] : [keyOf(input)]);
        }
        expect(seen > 0).toBe(effect !== 'none');
      },
      RUN_MS,
    );

    test(
      'fails with a code and a message that says what to do, and stays so',
      async () => {
        for (const run of room.fixture.failures) {
          const input = await room.begin(run);
          const result = await settle(room, activitiesOf(room, type), input, run);
          expect({ run: run.name, ...result }).toMatchObject({
            run: run.name,
            outcome: 'failed',
            reason: { code: run.code },
          });
          expect(result.reason?.code).toMatch(/^[a-z0-9]+(-[a-z0-9]+)*$/);
          expect(result.reason?.message.length).toBeGreaterThan(20);
          expect(await activitiesOf(room, type).executeStep(input)).toEqual(result);
        }
      },
      RUN_MS,
    );

    test(
      'ends soon when it is cancelled, and nothing is recorded; or at once',
      async () => {
        const { slow, runs } = room.fixture;
        expect(slow === null).toBe(ENDS_AT_ONCE.has(fixture.type));
        if (slow === null) {
          for (const run of runs) {
            const input = await room.begin(run);
            const begins = Date.now();
            await settle(room, activitiesOf(room, type), input, run);
            expect(Date.now() - begins).toBeLessThan(SOON_MS);
          }
          return;
        }
        const input = await room.begin(slow);
        const cancel = new AbortController();
        const running = activitiesOf(room, type, { cancellation: cancel.signal }).executeStep(
          input,
        );
        setTimeout(() => cancel.abort(new Error('CANCELLED')), 500);
        const began = Date.now();
        await expect(running).rejects.toMatchObject({ name: 'CancelledFailure' });
        expect(Date.now() - began).toBeLessThan(SOON_MS);
        const effect = await withTenant(room.parts.pool, room.tenantId, (tx) =>
          findEffect(tx, keyOf(input)),
        );
        expect(effect).toBeUndefined();
      },
      RUN_MS,
    );

    test(
      'is put back where its manifest says so, and twice is once',
      async () => {
        const isByAgents = PUT_BACK_BY_AGENTS.has(fixture.type);
        if (isByAgents) expect(room.manifest).toMatchObject({ changesTargets: true });
        const isOwn = room.manifest.compensation !== null && !isByAgents;
        expect(type.compensate !== undefined).toBe(isOwn);
        if (!isOwn) return;
        for (const run of room.fixture.runs) {
          const input = await room.begin(run);
          await settle(room, activitiesOf(room, type), input, run);
          const { compensateStep } = activitiesOf(room, twiceUndone(type));
          expect(await compensateStep(input)).toMatchObject({ outcome: 'succeeded' });
          expect(await compensateStep(input)).toMatchObject({ outcome: 'succeeded' });
          expect(await room.fixture.isUndone?.(run)).toBe(true);
        }
      },
      RUN_MS,
    );
  },
);

function partsOf(room: ConformanceRoom, scope: Partial<ActivityScope> = {}): ActivityDependencies {
  return {
    ...room.parts,
    scope: () => createFakeScope(scope),
    ...room.fixture.parts,
  } as ActivityDependencies;
}

function activitiesOf(
  room: ConformanceRoom,
  type: StepType,
  scope: Partial<ActivityScope> = {},
): StepActivities {
  return createStepActivities(partsOf(room, scope), createStepRegistry([type]));
}

/** Executes until there is a result: what goes on elsewhere is answered, and asked again. */
async function settle(
  room: ConformanceRoom,
  activities: StepActivities,
  input: ExecuteStepInput,
  run: FixtureRun,
): Promise<StepResult> {
  try {
    return await activities.executeStep(input);
  } catch (error) {
    if ((error as Error).name !== 'CompleteAsyncError') throw error;
    await room.fixture.answer?.(input.promotion.promotionId, run);
    return activities.executeStep(input);
  }
}

function keyOf({ promotion, stepId, member, round }: ExecuteStepInput): string {
  return effectKey(promotion.promotionId, stepId, member?.key, round);
}

/** @param marks called when the type says that its effect begins */
function countingRuns(
  type: StepType,
  marks: () => Promise<void>,
): StepType & { readonly runs: number } {
  const counted = {
    ...type,
    runs: 0,
    run: (run: Parameters<StepType['run']>[0]) => {
      counted.runs += 1;
      const beginEffect = async (): Promise<void> => {
        await run.beginEffect?.();
        await marks();
      };
      return type.run({ ...run, beginEffect });
    },
  };
  return counted;
}

/** As after a worker that died between the effect and its record. */
function runningTwice(type: StepType): StepType {
  return {
    ...type,
    run: async (run) => {
      await type.run(run);
      return type.run(run);
    },
  };
}

function twiceUndone(type: StepType): StepType {
  const undo = type.compensate?.bind(type);
  if (undo === undefined) return type;
  return {
    ...type,
    compensate: async (run) => {
      await undo(run);
      return undo(run);
    },
  };
}
