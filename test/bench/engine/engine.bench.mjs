/**
 * What the interpreter of pipelines as data costs: chains of 10 to 1,000 no-op steps, 20 side by side, and a matrix over 1,000 targets, each from the
 * request to the sealed packet, with all of its records. Baseline: bare workflows of the same shapes with as many no-op activities on the same
 * Temporal server, their worker in a process of its own as Sluice's is. In turn, one at a time.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { removeStackData, startStack } from '@sluice/infra';
import { Client, Connection } from '@temporalio/client';
import pg from 'pg';
import {
  createClient,
  createRelease,
  quantile,
  requestPromotion,
  startBareWorker,
  stopOnSignal,
} from '../stack-client.mjs';
import { SHAPES, templateOf } from './shapes.mjs';

const PATIENCE_MS = 180_000;

/** @param {{quick: boolean, say: (line: string) => void}} options */
export async function run({ quick, say }) {
  const dataDir = await mkdtemp(join(tmpdir(), 'sluice-bench-'));
  const pipelinesDir = await mkdtemp(join(tmpdir(), 'sluice-bench-pipelines-'));
  const shapes = quick ? SHAPES.filter(({ executions }) => executions <= 100) : SHAPES;
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
    env: { api: { SLUICE_LOG_LEVEL: 'warn' }, worker: { SLUICE_LOG_LEVEL: 'warn' } },
  });
  stopOnSignal(stack);
  const database = new pg.Pool({ connectionString: stack.databaseUrls.postgres, max: 2 });
  const script = fileURLToPath(new URL('bare-worker.mjs', import.meta.url));
  const bareWorker = await startBareWorker(stack, script);
  const connection = await Connection.connect({ address: stack.temporalAddress });
  const temporal = new Client({ connection, namespace: stack.temporalNamespace });
  try {
    for (const { name, targets = 1 } of shapes) await addTargets(database, name, targets - 1);
    const ask = createClient(stack);
    const release = await createRelease(ask);
    const engine = { ask, database, temporal, release, tenant: stack.tenant };
    // The first of all compiles and connects.
    await measure(engine, shapes[0]);
    const measured = [];
    for (const shape of shapes) {
      const rounds = [];
      const wanted = quick ? 1 : shape.rounds;
      for (let round = 0; round < wanted; round += 1) {
        const figures = await measure(engine, shape);
        rounds.push(figures);
        say(
          `${shape.title}, round ${round + 1} of ${wanted}: ${figures.seconds.toFixed(2)} s (steps alone ${figures.stepSeconds.toFixed(2)} s, ` +
            `${figures.events} events), bare ${figures.bareSeconds.toFixed(2)} s (${figures.bareEvents} events)`,
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

/** One promotion and one bare workflow of a shape. */
async function measure({ ask, database, temporal, release, tenant }, { name, bare }) {
  const started = performance.now();
  const id = await requestPromotion(ask, release, name);
  await untilSealed(database, id);
  const seconds = (performance.now() - started) / 1000;
  const { rows } = await database.query(
    `select extract(epoch from max(ended_at) - min(started_at))::float8 as seconds
       from sluice.promotion_steps where promotion_id = $1`,
    [id],
  );
  const [workflow, ...args] = bare;
  const workflowId = `bench-${crypto.randomUUID()}`;
  const bareStarted = performance.now();
  await temporal.workflow.execute(workflow, { taskQueue: 'bench-bare', workflowId, args });
  const bareSeconds = (performance.now() - bareStarted) / 1000;
  return {
    seconds,
    stepSeconds: rows[0].seconds,
    bareSeconds,
    events: await countEvents(temporal, [`promotion/${tenant}/${id}`, `shard/${tenant}/${id}/`]),
    bareEvents: await countEvents(temporal, [workflowId, `${workflowId}/`]),
  };
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
    if (performance.now() - started > PATIENCE_MS) {
      throw new Error(
        `Promotion ${id} of the bench did not end in three minutes; see the worker log.`,
      );
    }
    await sleep(20);
  }
}

/** Events of all runs of a workflow, and of those whose id begins with the second. */
async function countEvents(temporal, [workflowId, prefix]) {
  const query = `WorkflowId = '${workflowId}' or WorkflowId starts_with '${prefix}'`;
  for (let tries = 0; ; tries += 1) {
    let events = 0;
    let open = 0;
    let runs = 0;
    for await (const { historyLength, status } of temporal.workflow.list({ query })) {
      runs += 1;
      events += historyLength ?? 0;
      if (status.name === 'RUNNING') open += 1;
    }
    // What was just done is listed a moment later.
    if ((runs > 0 && open === 0) || tries > 50) return events;
    await sleep(100);
  }
}

function toResults({ shape: { title, executions }, rounds }) {
  const rate = (name) => rounds.map((round) => executions / round[name]);
  const share = (name) => rounds.map((round) => round[name] / executions);
  return [
    toResult(title, 'steps/s', rate('seconds'), rate('bareSeconds')),
    toResult(`${title}, steps alone`, 'steps/s', rate('stepSeconds'), rate('bareSeconds')),
    toResult(`${title}, events a step`, 'events', share('events'), share('bareEvents')),
  ];
}

/** What each further step costs: flat when the longer chain's are as dear as the shorter one's. */
function toSlopes(measured) {
  const chains = measured.filter(({ shape }) => shape.name.startsWith('chain-'));
  return chains.slice(1).map(({ shape, rounds }, index) => {
    const { shape: less, rounds: lessRounds } = chains[index];
    const slope = (name) =>
      ((quantile(
        rounds.map((round) => round[name]),
        0.5,
      ) -
        quantile(
          lessRounds.map((round) => round[name]),
          0.5,
        )) *
        1000) /
      (shape.executions - less.executions);
    const title = `a step between ${less.executions} and ${shape.executions}`;
    return toResult(title, 'ms', [slope('seconds')], [slope('bareSeconds')]);
  });
}

function toResult(name, unit, values, baselines) {
  const value = quantile(values, 0.5);
  const baseline = quantile(baselines, 0.5);
  return {
    name,
    value,
    baseline,
    ratio: value / baseline,
    unit,
    n: values.length,
    spread: { min: Math.min(...values), max: Math.max(...values) },
  };
}
