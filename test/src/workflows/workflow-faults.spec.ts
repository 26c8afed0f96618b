import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import * as workflows from '../../../workflows/src/index.ts';
import type { ActivityFault, CallName } from './fault-injection.ts';
import { injectFault } from './fault-injection.ts';
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
 */
jest.setTimeout((PATIENCE_SECONDS + 60) * 1000);

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
): Promise<Told[]> {
  const told: Told[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let at = next++; at < values.length; at = next++)
      told[at] = await telling(values[at] as T);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
  return told;
}

/** The nth call is another one in each run where calls are made beside each other; its activity is the same. */
function callsOf(scenario: FaultScenario): readonly CallName[] {
  return plainOf(scenario).calls;
}

function firstCallsOf(scenario: FaultScenario): readonly CallName[] {
  return callsOf(scenario).filter((call) => call.endsWith(' 1'));
}

/** Tells a scenario once for each fault, all at the same time, and compares each end with the plain one. */
async function expectNoTrace(
  scenario: FaultScenario,
  faults: readonly ActivityFault[],
): Promise<void> {
  const plain = plainOf(scenario);
  const told = await tellAll(faults, (fault) => tell(scenario, () => fault));
  for (const [index, { result, endState, violations }] of told.entries()) {
    const fault = faults[index];
    expect({ fault, result, endState, violations }).toEqual({
      fault,
      result: plain.result,
      endState: plain.endState,
      violations: [],
    });
  }
}

async function expectNothingLeft(
  { interrupted }: FaultScenario,
  calls: readonly CallName[],
  telling: Promise<readonly Told[]>,
): Promise<void> {
  for (const [index, { result, violations }] of (await telling).entries()) {
    const call = calls[index];
    expect({ call, state: result.state, violations }).toEqual({
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

test.each(scenarios)('%s: any activity fails once, before or after', async (_name, scenario) => {
  const whens = ['before', 'after'] as const;
  await expectNoTrace(scenario, [
    ...whens.map((when) => ({ kind: 'fail', call: 'each', when }) as const),
    ...firstCallsOf(scenario).map((call) => ({ kind: 'fail', call, when: 'after' }) as const),
  ]);
});

test.each(scenarios)(
  '%s: any activity is timed out once, or runs twice',
  async (_name, scenario) => {
    // The effect comes before the engine has given the attempt up, or, in every other one, beside the retry's.
    const effects = ['early', 'late'] as const;
    await expectNoTrace(scenario, [
      { kind: 'twice' },
      ...firstCallsOf(scenario).map(
        (call, index) =>
          ({ kind: 'time out', call, effect: effects[index % 2] ?? 'early' }) as const,
      ),
    ]);
  },
);

test.each(scenarios)(
  '%s: cancelled in each of its calls, whose answer comes at once or late',
  async (_name, scenario) => {
    const moments = [
      { calls: firstCallsOf(scenario), answerAfterMs: 0 },
      { calls: callsOf(scenario), answerAfterMs: 400 },
    ];
    for (const { calls, answerAfterMs } of moments) {
      const telling = tellAll(calls, (call) =>
        tell(scenario, (run) => ({
          kind: 'meanwhile',
          call,
          happens: async () => {
            await (await run()).cancel?.().catch(() => undefined);
          },
          answerAfterMs,
        })),
      );
      await expectNothingLeft(scenario, calls, telling);
    }
  },
);

test.each(scenarios.filter(([, { deadlineSeconds }]) => deadlineSeconds !== undefined))(
  '%s: an answer that comes after its deadline',
  async (_name, scenario) => {
    const calls = firstCallsOf(scenario);
    const untilAfterMs = (scenario.deadlineSeconds ?? 0) * 1000 + 500;
    const telling = tellAll(calls, (call) =>
      tell(
        scenario,
        () => ({
          kind: 'meanwhile',
          call,
          happens: async () => undefined,
          answerAfterMs: untilAfterMs,
        }),
        true,
      ),
    );
    await expectNothingLeft(scenario, calls, telling);
  },
);

test('all of them by workers that remember nothing: another one for each task', async () => {
  await stage.forgetWorkflows();
  try {
    for (const scenario of FAULT_SCENARIOS) await expectNoTrace(scenario, [{ kind: 'twice' }]);
  } finally {
    await stage.restartWorkers();
  }
});

/** Runs of each scenario beside each other, each repeated until the scenario was met at enough events. */
const LANES = 2;
const MOST_RUNS = 6;
/** Different lengths of its history at which the worker of a scenario is ended. */
const EVENTS_MET = 3;
const SLOW = { kind: 'slow', answerAfterMs: 250 } as const;

test('all of them while workers are ended without grace, again and again', async () => {
  stage.startOptions = { workflowTaskTimeout: '4s' };
  const open = new Map<ScenarioRun, string>();
  const met = new Map(FAULT_SCENARIOS.map(({ name }) => [name, new Set<number>()]));
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
    FAULT_SCENARIOS.flatMap((scenario) => lanes.map((lane) => repeat(scenario, lane))),
  ).finally(() => {
    isOver = true;
  });
  while (!isOver) {
    await Promise.race([ending.catch(() => undefined), pause(500)]);
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
  const few = FAULT_SCENARIOS.filter(({ name }) => metOf(name) < EVENTS_MET);
  expect(few.map(({ name }) => name)).toEqual([]);
});
