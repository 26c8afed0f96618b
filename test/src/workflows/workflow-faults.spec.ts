import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import * as workflows from '../../../workflows/src/index.ts';
import { ALL_PLACES, FAULT_SEED, samplePlaces } from '../../support/fault-sample.ts';
import type { ActivityFault, CallName } from './fault-injection.ts';
import { injectFault } from './fault-injection.ts';
import { activityOf, choosePlaces, type FaultPlace } from './fault-places.ts';
import type { FaultScenario, ScenarioRun } from './fault-scenarios.ts';
import { FAULT_SCENARIOS, PATIENCE_SECONDS } from './fault-scenarios.ts';
import type { FaultStage } from './fault-stage.ts';
import { openFaultStage } from './fault-stage.ts';
import { pause } from './waiting.ts';

/*
 * Every workflow type against every fault that the engine can bring: each activity fails once before and after its effect, is timed
 * out, runs twice, answers late; the run is cancelled in each of its calls and meets its deadline in each of them; workers are ended
 * without grace and others go on. What the engine mends by itself must leave no trace in the end state; what ends
 * a run early must leave nothing behind.
 *
 * Here each kind of fault meets each scenario and each activity at least once, at places that a seed draws; with
 * `npm run test:faults -- --places` it meets every call of every scenario.
 */
/** Places of a sample. */
const SAMPLE = 18;

jest.setTimeout((PATIENCE_SECONDS + 60) * (ALL_PLACES ? 10 : 1) * 1000);

let stage: FaultStage;
const plains = new Map<string, Told>();

beforeAll(async () => {
  stage = await openFaultStage();
  const told = await Promise.all(FAULT_SCENARIOS.map((scenario) => tell(scenario)));
  for (const [index, { name }] of FAULT_SCENARIOS.entries()) plains.set(name, told[index] as Told);
});
afterAll(() => stage?.close());

interface Told {
  readonly result: { readonly state: string };
  readonly endState: unknown;
  readonly violations: readonly string[];
  readonly calls: readonly CallName[];
}

/** What a fault needs to know of the run that it meets. */
type FaultOf = (run: () => Promise<ScenarioRun>) => ActivityFault;

async function tell(
  scenario: FaultScenario,
  faultOf?: FaultOf,
  hasDeadline = false,
  onStart: (run: ScenarioRun) => void = () => undefined,
): Promise<Told> {
  let calls: readonly CallName[] = [];
  let begun = (_run: ScenarioRun): void => undefined;
  const running = new Promise<ScenarioRun>((resolve) => {
    begun = resolve;
  });
  const fault = faultOf?.(() => running);
  const run = await scenario.start(
    stage,
    (activities) => {
      const injected = injectFault(activities, fault);
      calls = injected.calls;
      return injected.activities;
    },
    hasDeadline,
  );
  begun(run);
  onStart(run);
  const result = await run.result();
  return { result, endState: run.endState(), violations: run.findViolations(result), calls };
}

function plainOf({ name }: FaultScenario): Told {
  return plains.get(name) as Told;
}

/** Runs that go on at the same time: with more of them the engine's own timeouts would be met. */
const AT_ONCE = 12;

/** Tells so many at the same time, in their order. */
async function tellAll<T>(
  values: readonly T[],
  telling: (value: T) => Promise<Told>,
): Promise<readonly (readonly [T, Told])[]> {
  const told: (readonly [T, Told])[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let at = next++; at < values.length; at = next++) {
      const value = values[at] as T;
      told[at] = [value, await telling(value)];
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
  return told;
}

type Place = FaultPlace<FaultScenario>;

/**
 * Places of these scenarios where a kind of fault is brought; each kind draws others. The nth call is another one in each run
 * where calls are made beside each other; its activity is the same.
 * @param onlyFirst of the calls of an activity only the first one
 */
function placesOf(
  kind: number,
  onlyFirst: boolean,
  among: readonly FaultScenario[] = FAULT_SCENARIOS,
): readonly Place[] {
  const every = among.flatMap((scenario) =>
    plainOf(scenario)
      .calls.filter((call) => !onlyFirst || call.endsWith(' 1'))
      .map((call) => ({ scenario, call })),
  );
  const chosen = choosePlaces(every, { all: ALL_PLACES, seed: FAULT_SEED + kind, least: SAMPLE });
  expect(activitiesOf(chosen)).toEqual(activitiesOf(every));
  return chosen;
}

function activitiesOf(places: readonly Place[]): readonly string[] {
  return [...new Set(places.map(({ call }) => activityOf(call)))].sort();
}

interface MetFault {
  readonly scenario: FaultScenario;
  readonly fault: ActivityFault;
}

/** Tells each scenario with its fault, and compares each end with the plain one. */
async function expectNoTrace(faults: readonly MetFault[]): Promise<void> {
  const told = await tellAll(faults, ({ scenario, fault }) => tell(scenario, () => fault));
  for (const [{ scenario, fault }, { result, endState, violations }] of told) {
    const { name } = scenario;
    const plain = plainOf(scenario);
    expect({ name, fault, result, endState, violations }).toEqual({
      name,
      fault,
      result: plain.result,
      endState: plain.endState,
      violations: [],
    });
  }
}

async function expectNothingLeft(
  places: readonly Place[],
  telling: (place: Place) => Promise<Told>,
): Promise<void> {
  for (const [{ scenario, call }, { result, violations }] of await tellAll(places, telling)) {
    const { name, interrupted } = scenario;
    expect({ name, call, state: result.state, violations }).toEqual({
      name,
      call,
      state: expect.stringMatching(new RegExp(`^(${interrupted.join('|')})$`)),
      violations: [],
    });
  }
}

const scenarios = FAULT_SCENARIOS.map((scenario) => [scenario.name, scenario] as const);

test('every workflow type has a scenario, and every scenario a workflow type', () => {
  const told = new Set(FAULT_SCENARIOS.map(({ workflow }) => workflow));
  expect([...told].sort()).toEqual(Object.keys(workflows).sort());
});

test.each(scenarios)('%s: without faults it ends as it should', (_name, scenario) => {
  const { result, violations, calls } = plainOf(scenario);
  expect({ state: result.state, violations }).toEqual({ state: scenario.state, violations: [] });
  expect(calls.length).toBeGreaterThanOrEqual(2);
});

test('any activity fails once, before its effect or after it', async () => {
  const whens = ['before', 'after'] as const;
  // That one alone fails shows little more than that each one does.
  const alone = ALL_PLACES ? placesOf(1, true) : [];
  await expectNoTrace([
    ...FAULT_SCENARIOS.flatMap((scenario) =>
      whens.map((when) => ({ scenario, fault: { kind: 'fail', call: 'each', when } as const })),
    ),
    ...alone.map(({ scenario, call }) => ({
      scenario,
      fault: { kind: 'fail', call, when: 'after' } as const,
    })),
  ]);
});

test('any activity is timed out once', async () => {
  // The effect comes before the engine has given the attempt up, or, in every other one, beside the retry's.
  await expectNoTrace(
    placesOf(2, true).map(({ scenario, call }, index) => ({
      scenario,
      fault: { kind: 'time out', call, effect: index % 2 === 0 ? 'early' : 'late' } as const,
    })),
  );
});

test.each([
  ['at once', 3, true, 0],
  ['late', 4, false, 400],
])(
  'cancelled in each call, whose answer comes %s',
  async (_when, kind, onlyFirst, answerAfterMs) => {
    await expectNothingLeft(placesOf(kind, onlyFirst), ({ scenario, call }) =>
      tell(scenario, (run) => ({
        kind: 'meanwhile',
        call,
        happens: async () => {
          await (await run()).cancel?.().catch(() => undefined);
        },
        answerAfterMs,
      })),
    );
  },
);

test('an answer that comes after the deadline', async () => {
  const limited = FAULT_SCENARIOS.filter(({ deadlineSeconds }) => deadlineSeconds !== undefined);
  await expectNothingLeft(placesOf(5, true, limited), ({ scenario, call }) => {
    const answerAfterMs = (scenario.deadlineSeconds ?? 0) * 1000 + 500;
    const happens = async (): Promise<void> => undefined;
    return tell(scenario, () => ({ kind: 'meanwhile', call, happens, answerAfterMs }), true);
  });
});

test('every activity runs twice, by workers that remember nothing: another one for each task', async () => {
  await stage.forgetWorkflows();
  try {
    await expectNoTrace(
      FAULT_SCENARIOS.map((scenario) => ({ scenario, fault: { kind: 'twice' } as const })),
    );
  } finally {
    await stage.restartWorkers();
  }
});

/** Runs of each scenario beside each other, each repeated until the scenario was met at enough events. */
const LANES = ALL_PLACES ? 2 : 1;
const MOST_RUNS = 6;
/** Different lengths of its history at which the worker of a scenario is ended. */
const EVENTS_MET = ALL_PLACES ? 3 : 2;
/** How long workers live. */
const LIFE_MS = ALL_PLACES ? 500 : 2500;
/** One of each workflow type here, and some more. */
const ENDED_AMONG = [
  ...FAULT_SCENARIOS.filter(
    ({ workflow }, index) =>
      FAULT_SCENARIOS.findIndex((other) => other.workflow === workflow) === index,
  ),
  ...samplePlaces(FAULT_SCENARIOS, 2),
].filter((scenario, index, all) => all.indexOf(scenario) === index);
const SLOW = { kind: 'slow', answerAfterMs: 250 } as const;

test('runs while their workers are ended without grace, again and again', async () => {
  stage.startOptions = { workflowTaskTimeout: '4s' };
  const open = new Map<ScenarioRun, string>();
  const met = new Map(ENDED_AMONG.map(({ name }) => [name, new Set<number>()]));
  const metOf = (name: string): number => met.get(name)?.size ?? 0;
  const told: (Told & { readonly name: string })[] = [];
  const repeat = async (scenario: FaultScenario, lane: number): Promise<void> => {
    const { name } = scenario;
    await pause(lane * 300);
    for (let runs = 0; runs < MOST_RUNS && (runs === 0 || metOf(name) < EVENTS_MET); runs += 1) {
      const one = await tell(
        scenario,
        () => SLOW,
        false,
        (run) => open.set(run, name),
      );
      told.push({ name, ...one });
    }
  };
  let isOver = false;
  const lanes = Array.from({ length: LANES }, (_, lane) => lane);
  const ending = Promise.all(
    ENDED_AMONG.flatMap((scenario) => lanes.map((lane) => repeat(scenario, lane))),
  ).finally(() => {
    isOver = true;
  });
  while (!isOver) {
    await Promise.race([ending.catch(() => undefined), pause(LIFE_MS)]);
    for (const [run, name] of open) {
      const { historyLength, status } = await run.handle.describe();
      if (status.name !== 'RUNNING') open.delete(run);
      else met.get(name)?.add(historyLength);
    }
    if (!isOver) await stage.restartWorkers();
  }
  await ending;
  for (const { name, result, endState, violations } of told) {
    const plain = plains.get(name);
    expect({ name, result, endState, violations }).toEqual({
      name,
      result: plain?.result,
      endState: plain?.endState,
      violations: [],
    });
  }
  const few = ENDED_AMONG.filter(({ name }) => metOf(name) < EVENTS_MET);
  expect(few.map(({ name }) => name)).toEqual([]);
});
