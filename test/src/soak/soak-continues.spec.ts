import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from '@jest/globals';
import {
  type ActivityDependencies,
  createOutboundClients,
  currentActivityScope,
  listStepTypes,
  parseHostRules,
  type StepRun,
} from '@sluice/activities';
import { TASK_QUEUES } from '@sluice/temporal-contract';
import { bundleSources } from '../workflows/bundle-workflows.ts';
import { openWorkflowEnvironment } from '../workflows/workflow-environment.ts';

/*
 * soak@1 on a real engine: what one attempt says in its heartbeats goes encrypted to the engine and comes back to the next one.
 */
const bundle = await bundleSources(
  fileURLToPath(new URL('./soak-once.workflow.ts', import.meta.url)),
);
const environment = await openWorkflowEnvironment(bundle);
const server = createServer((_request, response) => response.end());
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
const { port } = server.address() as AddressInfo;
afterAll(async () => {
  server.close();
  await environment.close();
}, 60_000);

const SECONDS = 8;

const soak = listStepTypes({
  outbound: createOutboundClients({ allow: parseHostRules('127.0.0.0/8') }),
} as ActivityDependencies).find(({ type }) => type === 'soak');

test('when the worker stops in the middle, the next attempt watches what is left', async () => {
  const attempts: { readonly at: number; readonly deadline?: number | undefined }[] = [];
  const written: string[] = [];
  const soakOnce = async () => {
    const scope = currentActivityScope();
    attempts.push({ at: Date.now(), deadline: scope.attemptDeadline });
    const ended = await soak?.run({
      scope,
      input: { promotion: { tenantId: 'acme', promotionId: 'dev/1' } },
      inputs: {
        seconds: SECONDS,
        everySeconds: 1,
        probes: [{ url: `http://127.0.0.1:${port}/` }],
      },
      output: { write: (line: string) => written.push(line), hide: () => undefined },
    } as unknown as StepRun);
    return ended?.result.values;
  };
  const first = await environment.startWorkers({ soakOnce });
  const handle = await environment.client.workflow.start('soakOneStep', {
    workflowId: 'promotion/acme/dev/1',
    taskQueue: TASK_QUEUES.control,
  });
  while (attempts.length === 0) await delay(50);
  await delay(5000);
  await first.end();
  const second = await environment.startWorkers({ soakOnce });
  const values = await handle.result();
  const ended = Date.now();
  await second.end();

  expect(attempts.map(({ deadline }) => typeof deadline)).toEqual(['number', 'number']);
  expect(values).toEqual({ rounds: SECONDS });
  const [{ at: begun } = { at: 0 }, { at: again } = { at: 0 }] = attempts;
  // All of it again would be eight seconds from there.
  expect(ended - again).toBeLessThan((SECONDS - 2) * 1000);
  // And time in which nobody watched does not count.
  expect(ended - begun).toBeGreaterThan(SECONDS * 1000);
  expect(written.filter((line) => line.includes('attempt 2 goes on after'))).toHaveLength(1);
}, 120_000);
