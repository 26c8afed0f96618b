import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createLogger } from '@sluice/observability';
import { createTemporalClient, parseCodecKeys } from '@sluice/temporal-client';
import { TASK_QUEUES } from '@sluice/temporal-contract';
import { applyServerSettings } from '@sluice/temporal-server';
import { installEngineRuntime } from './engine-runtime.ts';
import { type EngineWorkersOptions, runEngineWorkers } from './engine-workers.ts';
import { keepTrying } from './keep-trying.ts';

const address = process.env['SLUICE_TEST_TEMPORAL_ADDRESS'] ?? '';
const namespace = `worker-version-${process.pid}`;
const codecKeys = parseCodecKeys({
  tenants: { acme: { keyId: 'acme.1', key: Buffer.alloc(32, 7).toString('base64') } },
});
const logger = createLogger({ service: 'test', level: 'silent' });
const WORKFLOWS = 1;
const ACTIVITIES = 2;
let client: Awaited<ReturnType<typeof createTemporalClient>>;

beforeAll(async () => {
  installEngineRuntime(logger);
  await applyServerSettings(address, { namespace });
  client = await createTemporalClient({ address, namespace, codecKeys });
}, 60_000);

afterAll(() => client?.connection.close());

function runVersion(version: EngineWorkersOptions['version']) {
  const queues = Object.values(TASK_QUEUES).map((queue) => [queue, { idle: async () => null }]);
  return runEngineWorkers({
    address,
    namespace,
    codecKeys,
    activities: Object.fromEntries(queues),
    workflowBundle: {
      codePath: fileURLToPath(
        new URL('../../../workflows/dist/workflow-bundle.js', import.meta.url),
      ),
    },
    version,
    logger,
    onState: () => undefined,
  });
}

async function listDeployments(): Promise<readonly string[]> {
  const answer = await client.workflowService.listWorkerDeployments({ namespace });
  return answer.workerDeployments.map(({ name }) => name ?? '');
}

test('without a deployment the engine knows of none', async () => {
  const workers = runVersion({ buildId: 'one', deployment: null });
  await workers.started;
  expect(await listDeployments()).toEqual([]);
  // A queue is given up and taken up again while the others are served.
  const said: string[] = [];
  const until = (text: string): Promise<unknown> =>
    keepTrying(
      text,
      async () => {
        if (!said.includes(text)) throw new Error(said.join(', '));
      },
      logger,
      AbortSignal.timeout(20_000),
    );
  for (const level of ['info', 'warn'] as const) {
    logger[level] = ((fields: object, text: string) =>
      void said.push(`${(fields as { queue?: string }).queue} ${text}`)) as typeof logger.info;
  }
  const { script, ...others } = TASK_QUEUES;
  workers.serve(Object.values(others));
  await until(`${script} the queue is given up; other workers may serve it`);
  workers.serve(Object.values(TASK_QUEUES));
  await until(`${script} the queue is served again`);
  expect(said.filter((text) => text.startsWith('sluice-'))).toHaveLength(2);
  await workers.stop();
}, 60_000);

test('every queue belongs to the version, those of activities, too', async () => {
  const workers = runVersion({ buildId: 'one', deployment: 'sluice' });
  await workers.started;
  const wanted = Object.values(TASK_QUEUES).map((queue) => `${queue} ${ACTIVITIES}`);
  const known = await keepTrying(
    'see every queue',
    async () => {
      const { versionTaskQueues } = await client.workflowService.describeWorkerDeploymentVersion({
        namespace,
        deploymentVersion: { deploymentName: 'sluice', buildId: 'one' },
      });
      const names = versionTaskQueues.map(({ name, type }) => `${name} ${type}`).sort();
      if (names.length <= wanted.length) throw new Error(`only ${names.join(', ')}`);
      return names;
    },
    logger,
    AbortSignal.timeout(40_000),
  );
  expect(known).toEqual([...wanted, `${TASK_QUEUES.control} ${WORKFLOWS}`].sort());
  expect(await listDeployments()).toEqual(['sluice']);
  await workers.stop();
}, 90_000);
