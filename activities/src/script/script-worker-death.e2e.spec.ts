import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createFolderStore } from '@sluice/evidence-store';
import { createHostSandbox } from './script-sandbox.ts';
import { createScriptStage, listNamespaces, listProcesses } from './testing/script-stage.ts';

/** A worker that is killed in the middle of a script: runs from `dist`, as workers do. */

const KEY = 'dev/1/worker-death';
let bubblewrap: string;
let folder: string;

beforeAll(async () => {
  const { getTool } = await import('@sluice/infra');
  bubblewrap = (await getTool('bwrap')).path;
  folder = await mkdtemp(join(tmpdir(), 'sluice-death-'));
}, 600_000);

afterAll(() => rm(folder, { recursive: true }));

test('its script ends with it, whatever that did to stay, and the next attempt is alone', async () => {
  const dist = new URL('../../dist/', import.meta.url).href;
  const store = new URL('../../../libs/evidence-store/dist/index.js', import.meta.url).href;
  const program = `
    import { createHostSandbox } from '${dist}script/script-sandbox.js';
    import { createScriptStage } from '${dist}script/testing/script-stage.js';
    import { createFolderStore } from '${store}';
    const stage = createScriptStage({
      sandbox: createHostSandbox({ bubblewrap: ${JSON.stringify(bubblewrap)} }),
      evidence: createFolderStore(${JSON.stringify(folder)}),
    });
    await stage.run(process.argv[1], { idempotencyKey: '${KEY}' });
  `;
  const stubborn =
    'trap "" TERM INT HUP; env -i setsid sleep 1000 & (setsid sh -c "trap \\"\\" TERM; sleep 1000" &); while :; do sleep 1; done';
  const worker = spawn(process.execPath, ['--input-type=module', '-e', program, stubborn], {
    stdio: ['ignore', 'inherit', 'inherit'],
    // What it leaves behind goes with the folder.
    env: { PATH: process.env['PATH'], TMPDIR: folder },
  });
  await until(() => listProcesses(KEY).length >= 3);
  const namespaces = listNamespaces(KEY);
  expect(namespaces.all().length).toBeGreaterThanOrEqual(4);
  worker.kill('SIGKILL');
  await once(worker, 'exit');
  await until(() => namespaces.all().length === 0);
  expect(namespaces.all()).toEqual([]);

  const next = createScriptStage({
    sandbox: createHostSandbox({ bubblewrap }),
    evidence: createFolderStore(folder),
  });
  const { result, log } = await next.run('echo "$SLUICE_IDEMPOTENCY_KEY $SLUICE_ATTEMPT"', {
    idempotencyKey: KEY,
    scope: { attempt: 2 },
  });
  expect(result.outcome).toBe('succeeded');
  expect(log).toMatch(new RegExp(`^${KEY} 2\n`));
}, 120_000);

async function until(holds: () => boolean): Promise<void> {
  for (let tries = 0; tries < 600; tries += 1) {
    if (holds()) return;
    await delay(50);
  }
  throw new Error('It did not come about in 30 s.');
}
