/**
 * How many promotions a second, at 1, 10 and 50 at once: each is 10 no-op steps one after the other, in its own environment with its
 * own target, from the request to the sealed packet. Baseline: a bare workflow with 10 no-op activities on the same Temporal server,
 * its worker in a process of its own as Sluice's is.
 */
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { removeStackData, startStack } from '@sluice/infra';
import { digestOf } from '@sluice/pure';
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

const STEPS = 10;
const PLACES = 50;
const PIPELINE = {
  schema: 'sluice.pipeline/v1',
  name: 'bench',
  version: 1,
  steps: Array.from({ length: STEPS }, (_, index) => ({
    id: `step-${index + 1}`,
    type: 'noop@1',
    needs: index === 0 ? [] : [`step-${index}`],
    inputs: {},
  })),
};

/** @param {{quick: boolean, say: (line: string) => void}} options */
export async function run({ quick, say }) {
  const dataDir = await mkdtemp(join(tmpdir(), 'sluice-bench-'));
  const names = Array.from({ length: PLACES }, (_, index) => `place-${index + 1}`);
  say('starting the stack');
  const stack = await startStack({
    dataDir,
    ports: { api: 0, postgres: 0, temporal: 0 },
    temporalUi: false,
    environments: names.map((name, index) => ({ name, position: index + 1, after: [] })),
    targets: names.map((name) => ({ name, environment: name, agent: false })),
    env: { api: { SLUICE_LOG_LEVEL: 'warn' }, worker: { SLUICE_LOG_LEVEL: 'warn' } },
  });
  stopOnSignal(stack);
  const database = new pg.Pool({ connectionString: stack.databaseUrls.postgres, max: 2 });
  const script = fileURLToPath(new URL('bare-worker.mjs', import.meta.url));
  const bare = await startBareWorker(stack, script);
  try {
    await database.query(
      'insert into sluice.pipelines (tenant_id, pipeline_id, version, pipeline_digest, body) values ($1, $2, 1, $3, $4)',
      [stack.tenant, PIPELINE.name, digestOf(PIPELINE), PIPELINE],
    );
    await database.query('update sluice.environments set pipeline_id = $1', [PIPELINE.name]);
    const ask = createClient(stack);
    const release = await createRelease(ask);
    const connection = await Connection.connect({ address: stack.temporalAddress });
    const temporal = new Client({ connection, namespace: stack.temporalNamespace });
    const promote = (count) => promoteAll(ask, database, release, names.slice(0, count));
    const chain = (count) => runBare(temporal, count);
    const results = [];
    for (const [count, full] of [
      [1, 10],
      [10, 5],
      [50, 3],
    ]) {
      const rounds = quick ? 1 : full;
      await promote(count);
      await chain(count);
      const values = [];
      const baselines = [];
      // In turn, so that a machine whose speed drifts does so for both.
      for (let round = 0; round < rounds; round += 1) {
        values.push(count / (await promote(count)));
        baselines.push(count / (await chain(count)));
        say(
          `${count} at once, round ${round + 1} of ${rounds}: ${values.at(-1).toFixed(2)}/s, bare ${baselines.at(-1).toFixed(2)}/s`,
        );
      }
      results.push(toResult(`${count} at once`, values, baselines));
    }
    await connection.close();
    return results;
  } finally {
    bare.kill('SIGTERM');
    await database.end();
    await stack.stop();
    await removeStackData(dataDir);
  }
}

/** Seconds until every one of the promotions asked for is sealed. */
async function promoteAll(ask, database, release, environments) {
  const started = performance.now();
  const ids = await Promise.all(
    environments.map((environment) => requestPromotion(ask, release, environment)),
  );
  for (;;) {
    const { rows } = await database.query(
      `select count(*) filter (where packet_digest is not null)::int as sealed,
              count(*) filter (where state not in ('requested', 'queued', 'running', 'waiting', 'succeeded'))::int as unwanted
         from sluice.promotions where promotion_id = any($1)`,
      [ids],
    );
    if (performance.now() - started > 120_000) {
      throw new Error(`The bench's promotions did not end in two minutes; see the worker log.`);
    }
    if (rows[0].unwanted > 0)
      throw new Error('A promotion of the bench did not succeed; see the worker log.');
    if (rows[0].sealed === ids.length) return (performance.now() - started) / 1000;
    // Looking costs the database something too: seldom where the round is long.
    await sleep(ids.length < 10 ? 10 : 100);
  }
}

async function runBare(temporal, count) {
  const started = performance.now();
  await Promise.all(
    Array.from({ length: count }, () =>
      temporal.workflow.execute('bareChain', {
        taskQueue: 'bench-bare',
        workflowId: `bench-${crypto.randomUUID()}`,
        args: [STEPS],
      }),
    ),
  );
  return (performance.now() - started) / 1000;
}

function toResult(name, values, baselines) {
  const value = quantile(values, 0.5);
  const baseline = quantile(baselines, 0.5);
  return {
    name,
    value,
    baseline,
    ratio: value / baseline,
    unit: 'promotions/s',
    n: values.length,
    spread: { min: Math.min(...values), max: Math.max(...values) },
  };
}
