import { readdir, readFile } from 'node:fs/promises';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { readHistoryFile } from '@sluice/temporal-client';
import { describeCommand } from './command.ts';
import { composeProbe, insertProbe } from './probe.ts';
import { openReplayWorker } from './replay-worker.ts';
import { bundleSampleCode, HISTORIES, readSample } from './sample-code.ts';
import { openSources } from './source-position.ts';
import { pairTasks } from './task-pairs.ts';

/*
 * The probe knows the inside of the SDK. When an upgrade breaks this spec, compare `@temporalio/workflow`'s
 * worker-interface.js with the probe's script: what it wraps is called otherwise now.
 */
let code: string;

beforeAll(async () => {
  code = await bundleSampleCode();
}, 180_000);

test('sees each recorded history do what it recorded, command by command', async () => {
  const worker = openReplayWorker(code, { watch: 'commands' });
  const files = (await readdir(HISTORIES)).filter((name) => name.endsWith('.json'));
  expect(files.length).toBeGreaterThan(20);
  for (const file of files) {
    const { head, history } = await readHistoryFile(await readFile(`${HISTORIES}${file}`));
    const { activations, problem } = await worker.replay(history, head.workflowId);
    const pairs = pairTasks(history, activations);
    const tasks = (history.events ?? []).filter(
      (event) => event.workflowTaskCompletedEventAttributes,
    );
    expect({ file, problem, pairs: pairs.length }).toEqual({
      file,
      problem: undefined,
      pairs: tasks.length,
    });
    for (const { recorded, made } of pairs) {
      expect({ file, commands: made.map(describeCommand) }).toEqual({
        file,
        commands: recorded.commands.map(describeCommand),
      });
    }
  }
  await worker.close();
}, 180_000);

describe('of one promotion', () => {
  test('tells state, steps, arguments and the lines that gave each command', async () => {
    const { head, history } = await readSample('promotion-succeeded-approved');
    const worker = openReplayWorker(code, { watch: 'sources' });
    const { activations } = await worker.replay(history, head.workflowId);
    await worker.close();
    expect(activations[0]).toMatchObject({
      event: 3,
      thrown: null,
      status: { state: 'requested' },
    });
    const states = activations.map(({ status }) => status?.state);
    expect([...new Set(states)]).toEqual(['requested', 'running', 'waiting', 'succeeded']);
    expect(activations.at(-1)?.status?.steps.map(({ state }) => state)).toEqual(
      Array.from({ length: 6 }, () => 'succeeded'),
    );
    const sources = openSources(code);
    const deploys = pairTasks(history, activations)
      .flatMap(({ made }) => made)
      .filter(({ step, name }) => step === 'deploy' && name === 'executeStep');
    expect(deploys.map(({ target }) => target)).toEqual(['host-1', 'host-2']);
    for (const { stack } of deploys) {
      const [place] = sources.placesOf(stack);
      expect(place?.file).toBe('workflows/src/step-execution.ts');
      const lines = (
        await readFile(new URL('../../../workflows/src/step-execution.ts', import.meta.url), 'utf8')
      ).split('\n');
      expect(lines[(place?.line ?? 0) - 1]).toContain('.executeStep(input)');
    }
  }, 60_000);

  test('tells nothing where nobody asked', async () => {
    const { head, history } = await readSample('promotion-denied');
    const worker = openReplayWorker(code, { watch: 'none' });
    expect(await worker.replay(history, head.workflowId)).toEqual({
      problem: undefined,
      activations: [],
    });
    await worker.close();
  }, 60_000);

  test('one worker replays one history after the other, also the same again', async () => {
    const worker = openReplayWorker(code, { watch: 'commands' });
    const counts: number[] = [];
    for (const name of ['release-created', 'promotion-denied', 'release-created']) {
      const { head, history } = await readSample(name);
      counts.push((await worker.replay(history, head.workflowId)).activations.length);
    }
    await worker.close();
    expect(counts).toEqual([3, 7, 3]);
  }, 60_000);
});

test('no line of the bundle moves, and its source map stays the last', () => {
  const probed = insertProbe(code, { watch: 'sources', pauseAt: [] });
  const lines = code.split('\n');
  expect(probed.split('\n').slice(0, lines.length - 2)).toEqual(lines.slice(0, -2));
  expect(probed.trimEnd().split('\n').at(-1)).toBe(code.trimEnd().split('\n').at(-1));
});

test('the script is one, also when a history tries to end it', () => {
  const hostile = "'`$&$'*/ </script> \u2028 $" + '{process.exit()}';
  const pauseAt = [{ event: 1, eventType: hostile, what: hostile, isCause: true }];
  const script = composeProbe({ watch: 'sources', pauseAt });
  expect(() => new Function(script)).not.toThrow();
  expect(script.match(/\bdebugger;/g)).toHaveLength(1);
  expect(composeProbe({ watch: 'sources' })).not.toContain('debugger');
});
