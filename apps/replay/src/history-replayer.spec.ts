import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { redactedHistoryText, redactHistory } from '@sluice/temporal-client';
import type { FileReplay } from './file-replay.ts';
import { openHistoryReplayer } from './history-replayer.ts';
import {
  asWorkflowCode,
  bundleSampleCode,
  changeCode,
  HISTORIES,
  readSample,
} from './sample-code.ts';

let code: string;
let folder: string;
/** In what each step's activity is given. */
/** Of an execution in the built-in pipelines, whose recorded history is replayed. */
const STEP_ID = /stepId: step\.id\b(?=[^;]{0,80}run\.round)/;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice replayer '));
  code = await bundleSampleCode();
}, 180_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

async function replayChanged(
  changed: string,
  file: string,
  compareInputs = false,
): Promise<FileReplay['result']> {
  const bundle = asWorkflowCode(changed);
  const replayer = openHistoryReplayer({ bundle, keys: undefined, compareInputs });
  try {
    return (await replayer.replayFile(file)).result;
  } finally {
    await replayer.close();
  }
}

const sample = (name: string): string => `${HISTORIES}${name}.json`;
const planned = 'promotion-succeeded-planned';

test('an unchanged history is deterministic, and its head is told', async () => {
  const { seconds, ...result } = await replayChanged(code, sample(planned), true);
  expect(seconds).toBeGreaterThan(0);
  expect(result).toMatchObject({
    file: sample(planned),
    workflowId: 'promotion/acme/dev/1',
    workflowType: 'promoteRelease',
    status: 'completed',
    events: 88,
    outcome: 'deterministic',
    inputs: [],
  });
  expect(result.mismatch).toBeUndefined();
}, 60_000);

describe('a mismatch says where, what, and by which line', () => {
  test('a call removed', async () => {
    const changed = changeCode(
      code,
      /const problem = await [^;]*holdLease\)\(run, rules\.deadlines\.queueSeconds\);/,
      'const problem = null;',
    );
    const { outcome, mismatch } = await replayChanged(changed, sample(planned));
    expect(outcome).toBe('mismatch');
    expect(mismatch).toMatchObject({
      event: 38,
      eventType: 'ActivityTaskScheduled',
      expected: 'activity takeLease',
      actual: 'activity checkPlans',
      step: 'deploy',
      target: null,
      source: { file: 'workflows/src/plan-check.ts' },
    });
    expect(mismatch?.callers.map(({ file }) => file)).toContain('workflows/src/step-execution.ts');
    expect(mismatch?.message).toMatch(/^\[TMPRL1100\] Nondeterminism error: .*takeLease/);
  }, 60_000);

  test('a call added', async () => {
    const changed = changeCode(
      code,
      /(async function executeOnce\([^)]*\) \{)/,
      "$1 await run.enterState('running');",
    );
    const { mismatch } = await replayChanged(changed, sample(planned));
    expect(mismatch).toMatchObject({
      event: 20,
      expected: 'activity executeStep (step scan)',
      actual: 'search attributes',
      step: 'scan',
      source: { file: 'workflows/src/promotion-run.ts' },
    });
  }, 60_000);

  test('two calls in another order', async () => {
    const changed = changeCode(code, /run\.announce\(\);/, '/* later */').replace(
      'const ending = await workToEnding(run);',
      'const going = workToEnding(run); run.announce(); const ending = await going;',
    );
    const { mismatch } = await replayChanged(changed, sample(planned));
    expect(mismatch).toMatchObject({
      event: 5,
      eventType: 'UpsertWorkflowSearchAttributes',
      expected: 'search attributes',
      actual: 'activity freezeRules',
    });
  }, 60_000);

  test('nothing where a command was', async () => {
    const changed = changeCode(
      code,
      /(async function executeOnce\([^)]*\) \{)/,
      '$1 await new Promise(() => undefined);',
    );
    const { mismatch } = await replayChanged(changed, sample(planned));
    expect(mismatch).toMatchObject({ event: 20, actual: 'nothing', source: null, step: 'scan' });
  }, 60_000);

  test('code that throws', async () => {
    const changed = changeCode(code, STEP_ID, 'stepId: step.missing.id');
    const { outcome, mismatch } = await replayChanged(changed, sample(planned));
    expect(outcome).toBe('mismatch');
    expect(mismatch?.actual).toMatch(/^an error: TypeError: .*undefined/);
    expect(mismatch).toMatchObject({
      event: 20,
      step: 'scan',
      source: { file: 'workflows/src/step-execution.ts' },
    });
    expect(mismatch?.message).toMatch(/^TypeError/);
  }, 60_000);

  test('a workflow that is not in the bundle', async () => {
    const changed = changeCode(code, /promoteRelease: \(\) => [^\n]*/, '');
    const { mismatch } = await replayChanged(changed, sample(planned));
    expect(mismatch).toMatchObject({ event: 1, eventType: 'WorkflowExecutionStarted' });
    expect(mismatch?.actual).toMatch(/no such function/);
  }, 60_000);
});

describe('what replay does not see, the comparison of inputs does', () => {
  test('a step renamed, and one argument more', async () => {
    const changed = changeCode(code, STEP_ID, "stepId: step.id + '-2', more: [1]");
    const plain = await replayChanged(changed, sample('promotion-denied'));
    expect(plain.outcome).toBe('deterministic');
    const { outcome, inputs } = await replayChanged(changed, sample('promotion-denied'), true);
    expect(outcome).toBe('deterministic');
    expect(inputs?.slice(0, 2)).toEqual([
      {
        event: expect.any(Number),
        activity: 'executeStep',
        step: 'scan',
        path: '0.stepId',
        recorded: 'scan',
        now: 'scan-2',
      },
      {
        event: expect.any(Number),
        activity: 'executeStep',
        step: 'scan',
        path: '0.more',
        recorded: null,
        now: [1],
      },
    ]);
  }, 60_000);

  test('a timer changed', async () => {
    const changed = changeCode(code, 'seconds * 1000 - elapsed', 'seconds * 2000 - elapsed');
    expect((await replayChanged(changed, sample(planned))).outcome).toBe('deterministic');
    const { inputs } = await replayChanged(changed, sample(planned), true);
    expect(inputs?.[0]).toMatchObject({ activity: 'timer', path: 'seconds' });
    expect(Number(inputs?.[0]?.now)).toBeGreaterThan(Number(inputs?.[0]?.recorded));
  }, 60_000);

  test('texts that a redacted history has no more are not compared, everything else is', async () => {
    const read = await readSample('promotion-cancelled');
    const file = join(folder, 'redacted.json');
    await writeFile(
      file,
      redactedHistoryText(await redactHistory(read.history, read.head as never, undefined)),
    );
    const same = await replayChanged(code, file, true);
    expect(same).toMatchObject({ outcome: 'deterministic', inputs: [] });
    const changed = changeCode(code, STEP_ID, "stepId: step.id + '-2'");
    const { inputs } = await replayChanged(changed, file, true);
    expect(inputs?.[0]).toMatchObject({ path: '0.stepId', now: 'scan-2' });
  }, 60_000);
});

describe('files that hold no history', () => {
  const cases: readonly (readonly [string, (whole: string) => string | Uint8Array, string])[] = [
    ['cut off', (whole) => whole.slice(0, 3000), 'history-file-unreadable'],
    ['empty', () => '', 'history-file-unreadable'],
    ['other JSON', () => '{"a": 1}', 'history-file-unreadable'],
    ['null', () => 'null', 'history-file-unreadable'],
    ['nested without end', () => '['.repeat(300_000), 'history-file-unreadable'],
    ['bytes', () => new Uint8Array([0x0a, 0xff, 0xff, 1, 2, 3]), 'history-file-unreadable'],
    [
      'an event missing',
      (whole) => withEvents(whole, (events) => events.toSpliced(5, 1)),
      'history-file-unreadable',
    ],
    [
      'an event of no type',
      (whole) =>
        withEvents(whole, (events) =>
          events.with(4, { ...(events[4] as object), eventType: 'EVENT_TYPE_OF_LATER' }),
        ),
      'history-invalid',
    ],
  ];

  test.each(cases)(
    '%s',
    async (name, make, code_) => {
      const file = join(folder, `${name}.json`);
      await writeFile(file, make(await readFile(sample('promotion-denied'), 'utf8')));
      const result = await replayChanged(code, file);
      expect(result).toMatchObject({ file, outcome: 'unreadable', problem: { code: code_ } });
      expect(result.problem?.message.length).toBeLessThanOrEqual(1000);
    },
    60_000,
  );

  test('a folder, and one that is not there', async () => {
    await mkdir(join(folder, 'folder.json'), { recursive: true });
    expect(await replayChanged(code, join(folder, 'folder.json'))).toMatchObject({
      outcome: 'unreadable',
    });
    expect(await replayChanged(code, join(folder, 'gone.json'))).toMatchObject({
      outcome: 'unreadable',
      problem: { code: 'ENOENT' },
    });
  });

  test('a run that no worker ever took has nothing to replay', async () => {
    const file = join(folder, 'untouched.json');
    const whole = await readFile(sample('promotion-denied'), 'utf8');
    await writeFile(
      file,
      withEvents(whole, (events) => events.slice(0, 1)),
    );
    expect(await replayChanged(code, file)).toMatchObject({
      outcome: 'deterministic',
      status: 'running',
      events: 1,
    });
  });
});

test('whether another bundle fits: yes, no, and not to be told', async () => {
  const replayer = openHistoryReplayer({
    bundle: asWorkflowCode(code),
    keys: undefined,
    compareInputs: false,
  });
  const good = join(folder, 'good.js');
  const bad = join(folder, 'bad.js');
  await writeFile(good, code);
  await writeFile(bad, changeCode(code, 'run.announce();', ''));
  await copyFile(sample('promotion-denied'), join(folder, 'bundle-that-is-none.js'));
  const answers: (boolean | undefined)[] = [];
  for (const path of [good, bad, join(folder, 'bundle-that-is-none.js'), join(folder, 'gone.js')]) {
    answers.push(await replayer.fits(sample('promotion-denied'), path));
  }
  await replayer.close();
  expect(answers).toEqual([true, false, undefined, undefined]);
}, 60_000);

function withEvents(
  whole: string,
  change: (events: readonly unknown[]) => readonly unknown[],
): string {
  const content = JSON.parse(whole);
  return JSON.stringify({ ...content, history: { events: change(content.history.events) } });
}
