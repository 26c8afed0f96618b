/** A rolling rollout in waves over many simulated agents, and bare Temporal. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { removeStackData, startStack } from '@sluice/infra';
import { createDataConverter, loadCodecKeys } from '@sluice/temporal-client';
import { Client, Connection } from '@temporalio/client';
import pg from 'pg';
import { readHistories } from '../engine/histories.mjs';
import { processorTimeBetween, readProcessorTimes } from '../engine/processor-time.mjs';
import {
  createClient,
  createRelease,
  requestPromotion,
  startBareWorker,
  stopOnSignal,
} from '../stack-client.mjs';
import { toResult } from './results.mjs';

const ENVIRONMENT = 'fleet';
const PATIENCE_MS = 900_000;
const TOGETHER = 100;
/** All that have the release at the end of each wave. Percent. */
const WAVES = [5, 20, 50, 100];

export async function measureWaves({ quick, say, option }) {
  const count = Number(option('targets') ?? (quick ? 200 : 1000));
  const rounds = Number(option('rounds') ?? (quick ? 1 : 3));
  const dataDir = await mkdtemp(join(tmpdir(), 'sluice-bench-'));
  const folder = await mkdtemp(join(tmpdir(), 'sluice-bench-rollout-'));
  const pipeline = join(folder, 'waves.json');
  await writeFile(pipeline, JSON.stringify(TEMPLATE));
  say('starting the stack');
  const stack = await startStack({
    dataDir,
    ports: 'any',
    temporalUi: false,
    pipelines: [pipeline],
    environments: [
      {
        ...{ name: ENVIRONMENT, position: 1, after: [], pipeline: TEMPLATE.name },
        deadlines: { promotionSeconds: PATIENCE_MS / 1000 },
      },
    ],
    targets: [{ name: 'host', environment: ENVIRONMENT, agent: false }],
    agents: { heartbeatSeconds: 60, staleSeconds: 180, offlineSeconds: 600 },
    env: { api: { SLUICE_LOG_LEVEL: 'warn' }, worker: { SLUICE_LOG_LEVEL: 'warn' } },
  });
  stopOnSignal(stack);
  const database = new pg.Pool({ connectionString: stack.databaseUrls.postgres, max: 2 });
  const script = fileURLToPath(new URL('bare-worker.mjs', import.meta.url));
  const { codecKeys, enrolmentKey } = stack.layout;
  let agents;
  let bareWorker;
  let connection;
  try {
    const names = await addTargets(database, count);
    agents = await startAgents(stack, { names, enrolmentKey, folder });
    say(`${count} agents are enrolled and ask for commands`);
    bareWorker = await startBareWorker(stack, script, { BENCH_CODEC_KEYS: codecKeys });
    connection = await Connection.connect({ address: stack.temporalAddress });
    const temporal = new Client({
      connection,
      namespace: stack.temporalNamespace,
      dataConverter: createDataConverter(await loadCodecKeys(codecKeys)),
    });
    const ask = createClient(stack);
    const release = await createRelease(ask);
    const measured = { rollout: [], bare: [] };
    for (let round = 0; round < rounds; round += 1) {
      const before = await readProcessorTimes(pidsOf(stack, agents));
      const seconds = await measureRollout(database, ask, release, count);
      const used = processorTimeBetween(before, await readProcessorTimes(pidsOf(stack, agents)));
      if (used !== undefined) say(describeProcessorTime(used, count));
      const bareSeconds = await measureBare(temporal, stack.tenant, count);
      measured.rollout.push(count / seconds);
      measured.bare.push(count / bareSeconds);
      say(
        `round ${round + 1} of ${rounds}: ${seconds.toFixed(1)} s, ${(count / seconds).toFixed(1)} targets/s; bare ${bareSeconds.toFixed(1)} s, ${(count / bareSeconds).toFixed(1)} activities/s`,
      );
    }
    const name = `rolling over ${count} targets in ${WAVES.length} waves`;
    return [toResult(name, 'targets/s', measured.rollout, measured.bare)];
  } finally {
    await connection?.close();
    bareWorker?.kill('SIGTERM');
    agents?.kill('SIGTERM');
    await database.end();
    await stack.stop();
    await removeStackData(dataDir);
    await rm(folder, { recursive: true, force: true });
  }
}

/** All processes that a deployment has a part in. */
function pidsOf(stack, agents) {
  const names = stack.names.filter((name) => stack.isRunning(name));
  return {
    ...Object.fromEntries(names.map((name) => [name, stack.getPid(name)])),
    agents: agents.pid,
  };
}

function describeProcessorTime({ parts }, count) {
  const told = Object.entries(parts)
    .filter(([, ms]) => ms / count >= 0.5)
    .map(([part, ms]) => `${part} ${(ms / count).toFixed(1)}`);
  return `ms of processor a target, from the request to the seal: ${told.join(', ')}`;
}

const TEMPLATE = {
  ...{ schema: 'sluice.pipeline/v2', name: 'waves', version: 1 },
  steps: [
    { id: 'scan', type: 'scan@1' },
    { id: 'gate', type: 'gate@1', needs: ['scan'] },
    { id: 'plan', type: 'plan@1', needs: ['gate'] },
    {
      ...{ id: 'rollout', type: 'rollout@1', needs: ['plan'] },
      inputs: {
        ...{ strategy: 'waves', maxUnavailable: TOGETHER, soakSeconds: 0, gate: false },
        waves: WAVES.map((percent) => ({ percent })),
      },
    },
  ],
};

/** Further targets, as the first one is; gives the names of all. */
async function addTargets(database, count) {
  await database.query(
    `insert into sluice.targets
     select (jsonb_populate_record(t, jsonb_build_object('target_id', t.target_id || '-' || n))).*
       from sluice.targets t, generate_series(1, $2) n where t.environment_id = $1`,
    [ENVIRONMENT, count - 1],
  );
  const { rows } = await database.query(
    'select target_id from sluice.targets where environment_id = $1',
    [ENVIRONMENT],
  );
  return rows.map(({ target_id: name }) => name);
}

/** All of them in one process; waits until each is enrolled. */
async function startAgents(stack, { names, enrolmentKey, folder }) {
  const file = join(folder, 'targets');
  await writeFile(file, `${names.join('\n')}\n`);
  const script = fileURLToPath(new URL('simulated-agents.mjs', import.meta.url));
  const agents = spawn(process.execPath, [script], {
    env: {
      ...process.env,
      BENCH_API: stack.apiUrl,
      BENCH_TENANT: stack.tenant,
      BENCH_ENROLMENT_KEY: enrolmentKey,
      BENCH_TARGETS: file,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(agents, 'exit').then(() => {
    throw new Error('The simulated agents ended before they were enrolled.');
  });
  await Promise.race([once(agents.stdout, 'data'), ended]);
  return agents;
}

/** Seconds of the rollout's own step, from its first wave to its last. */
async function measureRollout(database, ask, release, count) {
  const id = await requestPromotion(ask, release, ENVIRONMENT);
  const until = Date.now() + PATIENCE_MS;
  while (Date.now() < until) {
    const { rows } = await database.query(
      'select state, reason_message as why, packet_digest from sluice.promotions where promotion_id = $1',
      [id],
    );
    const [{ state, why, packet_digest: packet }] = rows;
    if (packet !== null) {
      if (state !== 'succeeded')
        throw new Error(`Promotion ${id} of the bench is ${state}: ${why}`);
      return readSeconds(database, id, count);
    }
    await sleep(500);
  }
  throw new Error(`Promotion ${id} of the bench did not end in time; see the worker log.`);
}

async function readSeconds(database, id, count) {
  const { rows } = await database.query(
    `select extract(epoch from ended_at - started_at)::float as seconds,
       (select count(*)::int from sluice.deployments where promotion_id = $1 and state = 'confirmed') as confirmed
       from sluice.promotion_steps where promotion_id = $1 and step_id = 'rollout'`,
    [id],
  );
  const [{ seconds, confirmed }] = rows;
  if (confirmed !== count) throw new Error(`${confirmed} of ${count} targets confirmed ${id}.`);
  return seconds;
}

async function measureBare(temporal, tenant, count) {
  const sizes = WAVES.map((percent, index) => {
    const reach = (of) => Math.ceil((count * of) / 100);
    return reach(percent) - reach(WAVES[index - 1] ?? 0);
  });
  // Its id names the tenant: the codec takes that tenant's key.
  const workflowId = `promotion/${tenant}/bare/${crypto.randomUUID()}`;
  await temporal.workflow.execute('bareWaves', {
    taskQueue: 'bench-bare',
    workflowId,
    args: [sizes, TOGETHER],
  });
  const own = { workflowId, children: `${workflowId}/` };
  return (await readHistories(temporal, own, 'noop')).stepSeconds;
}
