import { readFile } from 'node:fs/promises';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { PROMOTION_END_STATES } from '@sluice/domain';
import { DefaultLogger, Runtime } from '@temporalio/worker';
import { bundleSources } from '../workflows/bundle-workflows.ts';
import { buildVariants, type WorkflowEdit, type WorkflowVariant } from '../workflows/variants.ts';
import { CONTINUED_STORIES } from './course-stories.ts';
import type { HistoryFile } from './history-file.ts';
import { HISTORIES, listHistoryFiles } from './history-file.ts';
import { EXAMPLE_HISTORY, listExamples } from './record-examples.ts';
import { replayHistories } from './replay-histories.ts';
import { STORIES } from './stories.ts';

let files: readonly HistoryFile[];

beforeAll(async () => {
  // What is expected to fail here is logged by the runtime as a warning.
  try {
    Runtime.install({ logger: new DefaultLogger('ERROR') });
  } catch (error) {
    if ((error as Error).name !== 'IllegalStateError') throw error;
  }
  files = await listHistoryFiles();
});

describe('the recorded histories', () => {
  test('there is one of each outcome, and each says what its name says', () => {
    const outcomes = files.map(({ name, result: { state = 'counted' } }) => {
      expect(name).toContain(state);
      return `${name.split('-')[0]} ${state}`;
    });
    const wanted = PROMOTION_END_STATES.map((state) => `promotion ${state}`);
    const others = ['release created', 'release refused', 'settlement reverted', 'shard counted'];
    expect(new Set(outcomes)).toEqual(new Set([...wanted, ...others]));
  });

  test('there is one of each story, and no other', () => {
    const names = files.map(({ name }) => name).filter((name) => !EXAMPLE_HISTORY.test(name));
    expect(names.sort()).toEqual(Object.keys(STORIES).sort());
  });

  test('there is one of each example, and none of what is no example', async () => {
    const told = files.flatMap(({ name }) => EXAMPLE_HISTORY.exec(name)?.groups?.pipeline ?? []);
    expect([...new Set(told)].sort()).toEqual([...(await listExamples())].sort());
    expect(told.filter((pipeline) => pipeline === 'database-migration')).toHaveLength(2);
  });

  test('each is whole: it begins with its start and ends with its completion, or by continuing', () => {
    for (const { name, history } of files) {
      const events = history.events ?? [];
      const last = events.at(-1);
      const end = CONTINUED_STORIES.has(name)
        ? last?.workflowExecutionContinuedAsNewEventAttributes
        : last?.workflowExecutionCompletedEventAttributes;
      expect({
        name,
        starts: events[0]?.workflowExecutionStartedEventAttributes != null,
        ends: end != null,
      }).toEqual({ name, starts: true, ends: true });
    }
  });

  test('none names the machine that recorded it', async () => {
    for (const { name } of files) {
      const text = await readFile(new URL(`${name}.json`, HISTORIES), 'utf8');
      const data = [...text.matchAll(/"data": "([A-Za-z0-9+/=]+)"/g)];
      expect(data.length).toBeGreaterThan(3);
      const decoded = data.map(([, base64]) => Buffer.from(base64 ?? '', 'base64').toString());
      const telling = /node_modules|file:\/\/|\.[jt]s:\d|\d+@/;
      expect([text, ...decoded].filter((part) => telling.test(part))).toEqual([]);
    }
  });
});

test("today's workflows replay every history", async () => {
  const outcomes = await replayHistories(await bundleSources(), files);
  expect(outcomes).toEqual(files.map(({ name }) => ({ name })));
  // Where nobody has bundled before, it does.
}, 180_000);

describe('a change that a running promotion would not survive is caught', () => {
  const changes: readonly (readonly [string, WorkflowEdit, string])[] = [
    [
      'a call less at the start',
      {
        file: 'promote-release.workflow.ts',
        from: "      else await run.enterState('running');\n",
        to: '',
      },
      'promotion-succeeded',
    ],
    [
      'a step of the interpreter removed: the lease',
      {
        file: 'step-execution.ts',
        from: 'const problem = await holdLease(run, rules.deadlines.queueSeconds);',
        to: 'const problem = null as Awaited<ReturnType<typeof holdLease>>;',
      },
      'promotion-reverted',
    ],
    [
      'compensation removed',
      {
        file: 'seal-epilogue.ts',
        from: "ending.state !== 'succeeded' && run.effectsBegun",
        to: 'run.effectsBegun && run.steps().length === 0',
      },
      'promotion-cancelled',
    ],
    [
      'a plan that is not looked at again when the lease is held',
      {
        file: 'step-execution.ts',
        from: 'if (rules.form === 2 && !(await planHolds(run, rules, step))) return;',
        to: 'void planHolds;',
      },
      'promotion-succeeded-stale-in-queue',
    ],
    [
      'a request for approval that is not closed',
      {
        file: 'approval-wait.ts',
        from: "const problem = await close(run, request, 'approved', null);",
        to: 'const problem = null as Awaited<ReturnType<typeof close>>;',
      },
      'promotion-succeeded-approved',
    ],
    [
      'a rollback that plans before it has the lease',
      {
        file: 'promote-release.workflow.ts',
        from: "if (rules.form === 2 && rules.kind === 'rollback') {",
        to: "if (rules.form === 2 && rules.kind !== 'rollback') {",
      },
      'promotion-succeeded-rollback',
    ],
    [
      'a superseded promotion that puts its targets back',
      {
        file: 'settle-ending.ts',
        from: ' && run.supersededBy === undefined) {',
        to: ') {',
      },
      'promotion-cancelled-superseded',
    ],
    [
      'the refusal of a request left out',
      {
        file: 'resolve-release.workflow.ts',
        from: '  await releaseRecords.refuseRelease({ request, code, message });\n',
        to: '  void request;\n',
      },
      'release-refused',
    ],
  ];

  let variants: Readonly<Record<string, WorkflowVariant>>;

  beforeAll(async () => {
    variants = await buildVariants(
      Object.fromEntries(changes.map(([_what, change], index) => [`change-${index}`, [change]])),
    );
  }, 120_000);

  test.each(
    changes.map(([what, _change, name], index) => [what, `change-${index}`, name] as const),
  )('%s', async (_what, variant, name) => {
    const file = files.filter((candidate) => candidate.name === name);
    const [outcome] = await replayHistories(variants[variant] ?? { code: '' }, file);
    expect(outcome?.problem).toMatch(/nondetermini/i);
  });
});
