/**
 * What the interpreter of pipelines as data costs: chains of 10 to 1,000 no-op steps, 20 side by side, and a matrix over 1,000 targets, with all
 * of their records. Baseline: bare workflows of the same shapes with as many no-op activities on the same Temporal server, their worker in a
 * process of its own, with Sluice's payload codec and as many activities at a time. In turn, one at a time, each when all that the one before
 * left to do (histories to be archived, events to be linked) is done. Two ratios: the whole promotion, from the request to the seal, and the
 * steps alone.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { removeStackData, startStack } from '@sluice/infra';
import { createDataConverter, loadCodecKeys } from '@sluice/temporal-client';
import { Client, Connection } from '@temporalio/client';
import pg from 'pg';
import {
  createClient,
  createRelease,
  requestPromotion,
  startBareWorker,
  stopOnSignal,
} from '../stack-client.mjs';
import { toResults, toSlopes } from './figures.mjs';
import { readHistories } from './histories.mjs';
import { processorTimeBetween, readProcessorTimes } from './processor-time.mjs';
import { BARE_QUEUE, chooseShapes, describeShapes, templateOf } from './shapes.mjs';

const PATIENCE_MS = 180_000;

/** What `--help` says. */
export const help = describeShapes;

/** @param {{quick: boolean, say: (line: string) => void, option: (name: string) => string | undefined}} options */
export async function run({ quick, say, option }) {
  const only = option('only')?.split(',') ?? [];
  const shapes = chooseShapes(only, quick);
  const asked = Number(option('rounds') ?? 0);
  const dataDir = await mkdtemp(join(tmpdir(), 'sluice-bench-'));
  const pipelinesDir = await mkdtemp(join(tmpdir(), 'sluice-bench-pipelines-'));
  const fileOf = ({ name }) => join(pipelinesDir, `${name}.json`);
  for (const shape of shapes) {
    await writeFile(fileOf(shape), JSON.stringify(templateOf(shape), null, 2));
  }
  say('starting the stack');
  const stack = await startStack({
    dataDir,
    ports: { api: 0, postgres: 0, temporal: 0 },
    temporalUi: false,
    pipelines: shapes.map(fileOf),
    environments: shapes.map(({ name }, index) => ({
      ...{ name, position: index + 1, after: [], pipeline: name },
      deadlines: { promotionSeconds: PATIENCE_MS / 1000 },
    })),
    targets: shapes.map(({ name }) => ({ name: `host-${name}`, environment: name, agent: false })),
    env: {
      api: { SLUICE_LOG_LEVEL: 'warn' },
      worker: { SLUICE_LOG_LEVEL: 'warn', ...profiling(option('profile')) },
    },
  });
  stopOnSignal(stack);
  const database = new pg.Pool({ connectionString: stack.databaseUrls.postgres, max: 2 });
  const script = fileURLToPath(new URL('bare-worker.mjs', import.meta.url));
  const { codecKeys } = stack.layout;
  const bareWorker = await startBareWorker(stack, script, { BENCH_CODEC_KEYS: codecKeys });
  const connection = await Connection.connect({ address: stack.temporalAddress });
  const temporal = new Client({
    connection,
    namespace: stack.temporalNamespace,
    dataConverter: createDataConverter(await loadCodecKeys(codecKeys)),
  });
  try {
    for (const { name, targets = 1 } of shapes) await addTargets(database, name, targets - 1);
    const ask = createClient(stack);
    const release = await createRelease(ask);
    const { tenant } = stack;
    const pids = pidsOf(stack, bareWorker);
    const engine = { ask, database, temporal, release, tenant, pids };
    // The first of all compiles and connects.
    await measure(engine, shapes[0]);
    const measured = [];
    for (const shape of shapes) {
      const rounds = [];
      const wanted = asked > 0 ? asked : quick ? 1 : shape.rounds;
      for (let round = 0; round < wanted; round += 1) {
        const figures = await measure(engine, shape);
        rounds.push(figures);
        say(describeProcessorTimes(shape, figures));
        say(
          `${shape.title}, round ${round + 1} of ${wanted}: ${figures.seconds.toFixed(2)} s (steps alone ${figures.stepSeconds.toFixed(2)} s, ` +
            `${figures.events} events), bare ${figures.bareSeconds.toFixed(2)} s (activities alone ${figures.bareStepSeconds.toFixed(2)} s, ` +
            `${figures.bareEvents} events)`,
        );
      }
      measured.push({ shape, rounds });
    }
    return [...measured.flatMap(toResults), ...toSlopes(measured)];
  } finally {
    await connection.close();
    bareWorker.kill('SIGTERM');
    await database.end();
    await stack.stop();
    await removeStackData(dataDir);
    await rm(pipelinesDir, { recursive: true, force: true });
  }
}

function profiling(folder) {
  if (folder === undefined) return {};
  const script = fileURLToPath(new URL('profile-thread.cjs', import.meta.url));
  return { NODE_OPTIONS: `--require "${script}"`, BENCH_PROFILE_DIR: resolve(folder) };
}

/** Further targets of an environment, as its first one is. */
async function addTargets(database, environment, count) {
  if (count === 0) return;
  await database.query(
    `insert into sluice.targets
     select (jsonb_populate_record(t, jsonb_build_object('target_id', t.target_id || '-' || n))).*
       from sluice.targets t, generate_series(1, $2) n where t.environment_id = $1`,
    [environment, count],
  );
}

/** All processes that a promotion, or a bare workflow, has a part in. */
function pidsOf(stack, bareWorker) {
  const names = stack.names.filter((name) => stack.isRunning(name));
  const pids = names.map((name) => [name, stack.getPid(name)]);
  return { ...Object.fromEntries(pids), 'bare worker': bareWorker.pid };
}

function describeProcessorTimes({ title, executions }, { used, bareUsed }) {
  if (used === undefined || bareUsed === undefined) return `${title}: no processor times here`;
  const tell = ({ parts }) =>
    Object.entries(parts)
      .filter(([, ms]) => ms / executions >= 0.05)
      .map(([part, ms]) => `${part} ${(ms / executions).toFixed(1)}`)
      .join(', ');
  return `${title}, ms of processor a step: ${tell(used)}; bare: ${tell(bareUsed)}`;
}

/** One promotion and one bare workflow of a shape. */
async function measure({ ask, database, temporal, release, tenant, pids }, { name, bare }) {
  await untilQuiet(database);
  const before = await readProcessorTimes(pids);
  const started = performance.now();
  const id = await requestPromotion(ask, release, name);
  await untilSealed(database, id);
  const seconds = (performance.now() - started) / 1000;
  const between = await readProcessorTimes(pids);
  await untilQuiet(database);
  const beforeBare = await readProcessorTimes(pids);
  const [workflow, ...args] = bare;
  // Its id names the tenant: the codec takes that tenant's key.
  const workflowId = `promotion/${tenant}/bare-${name}/${crypto.randomUUID()}`;
  const bareStarted = performance.now();
  await temporal.workflow.execute(workflow, { taskQueue: BARE_QUEUE, workflowId, args });
  const bareSeconds = (performance.now() - bareStarted) / 1000;
  const after = await readProcessorTimes(pids);
  const own = { workflowId: `promotion/${tenant}/${id}`, children: `shard/${tenant}/${id}/` };
  const { events, stepSeconds } = await readHistories(temporal, own, 'executeStep');
  const others = { workflowId, children: `${workflowId}/` };
  const plain = await readHistories(temporal, others, 'noop');
  return {
    seconds,
    stepSeconds,
    bareSeconds,
    bareStepSeconds: plain.stepSeconds,
    events,
    bareEvents: plain.events,
    used: processorTimeBetween(before, between),
    bareUsed: processorTimeBetween(beforeBare, after),
  };
}

/** Nothing is left to be delivered, linked or archived: what comes next has the machine for itself. */
async function untilQuiet(database) {
  const until = performance.now() + PATIENCE_MS;
  while (performance.now() < until) {
    const { rows } = await database.query(
      `select (select count(*) from sluice.outbox where delivered_at is null)::int
            + (select count(*) from sluice.events where position is null)::int
            + (select count(*) from sluice.workflow_executions where archived_at is null and lost_at is null)::int as left`,
    );
    if (rows[0].left === 0) return;
    await sleep(100);
  }
  throw new Error('Sluice did not come to rest in three minutes; see the worker log.');
}

async function untilSealed(database, id) {
  const started = performance.now();
  for (;;) {
    const { rows } = await database.query(
      'select state, reason_message, packet_digest from sluice.promotions where promotion_id = $1',
      [id],
    );
    const [{ state, reason_message: reason, packet_digest: packet }] = rows;
    if (!['requested', 'queued', 'running', 'waiting', 'succeeded'].includes(state)) {
      throw new Error(`Promotion ${id} of the bench is ${state}: ${reason}`);
    }
    if (packet !== null) return;
    const waited = performance.now() - started;
    if (waited > PATIENCE_MS) {
      throw new Error(
        `Promotion ${id} of the bench did not end in three minutes; see the worker log.`,
      );
    }
    // Looking costs the database something, too: the seal is seen a hundredth of the time late, at most.
    await sleep(5 + waited / 100);
  }
}
