/**
 * How long one approval takes: from the mutation `decideApproval` to its answer, which is there when the decision is recorded and its
 * statement signed. Baseline: a bare `executeUpdate` on a bare workflow on the same Temporal server, its worker in a process of its own.
 * One at a time and in turn; nothing else runs: after the first of two people has approved, the second one rejects, which ends the
 * promotion, and it is waited for until it is sealed.
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

const WARM_UP = 5;
const FULL = 200;
const QUICK = 10;
const PLACE = 'approved';
const PEOPLE = ['first', 'second'];
const PIPELINE = {
  schema: 'sluice.pipeline/v1',
  name: 'bench-approval',
  version: 1,
  steps: [
    { id: 'plan', type: 'plan@1', needs: [], inputs: {} },
    { id: 'approval', type: 'approval@1', needs: ['plan'], inputs: {} },
  ],
};
const APPROVAL = `query ($id: ID!) {
  promotion(id: $id) { state reason { message } packet { digest } approval { state releaseDigest planDigest } }
}`;
const DECIDE = `mutation ($input: DecideApprovalInput!) {
  decideApproval(input: $input) { ... on ApprovalRequest { state } ... on Refusal { code message } }
}`;

/** @param {{quick: boolean, say: (line: string) => void}} options */
export async function run({ quick, say }) {
  const dataDir = await mkdtemp(join(tmpdir(), 'sluice-bench-'));
  say('starting the stack');
  const stack = await startStack({
    dataDir,
    ports: { api: 0, postgres: 0, temporal: 0 },
    temporalUi: false,
    environments: [
      { name: PLACE, position: 1, after: [], pipeline: 'approved', approval: { count: 2 } },
    ],
    principals: [
      { name: 'release-manager', role: 'release-manager' },
      ...PEOPLE.map((name) => ({ name, role: 'approver' })),
    ],
    targets: [{ name: 'bench-host', environment: PLACE, agent: false }],
    env: { api: { SLUICE_LOG_LEVEL: 'warn' }, worker: { SLUICE_LOG_LEVEL: 'warn' } },
  });
  stopOnSignal(stack);
  const script = fileURLToPath(new URL('bare-worker.mjs', import.meta.url));
  const bare = await startBareWorker(stack, script);
  try {
    await usePipeline(stack);
    const manager = createClient(stack);
    const people = PEOPLE.map((name) => createClient(stack, name));
    const release = await createRelease(manager);
    const connection = await Connection.connect({ address: stack.temporalAddress });
    const temporal = new Client({ connection, namespace: stack.temporalNamespace });
    const values = [];
    const baselines = [];
    const rounds = WARM_UP + (quick ? QUICK : FULL);
    for (let round = 0; round < rounds; round += 1) {
      const value = await approveOne(manager, people, release);
      const baseline = await updateOne(temporal);
      if (round < WARM_UP) continue;
      values.push(value);
      baselines.push(baseline);
      if (values.length % 20 === 0) {
        say(`${values.length}: p50 ${ms(values, 0.5)}, bare ${ms(baselines, 0.5)}`);
      }
    }
    await connection.close();
    return [toResult('p50', 0.5, values, baselines), toResult('p99', 0.99, values, baselines)];
  } finally {
    bare.kill('SIGTERM');
    await stack.stop();
    await removeStackData(dataDir);
  }
}

/** Without scan, gate and agent: nothing of theirs is measured, and the approval is the same. */
async function usePipeline(stack) {
  const database = new pg.Client({ connectionString: stack.databaseUrls.postgres });
  await database.connect();
  await database.query(
    'insert into sluice.pipelines (tenant_id, pipeline_id, version, pipeline_digest, body) values ($1, $2, 1, $3, $4)',
    [stack.tenant, PIPELINE.name, digestOf(PIPELINE), PIPELINE],
  );
  await database.query('update sluice.environments set pipeline_id = $1', [PIPELINE.name]);
  await database.end();
}

/** Milliseconds from the mutation to its answer. */
async function approveOne(manager, [first, second], release) {
  const id = await requestPromotion(manager, release, PLACE);
  const { approval } = await until(first, id, ({ approval: a }) => a?.state === 'WAITING');
  const value = await decide(first, id, approval, 'APPROVE');
  await decide(second, id, approval, 'REJECT');
  await until(second, id, ({ packet }) => packet !== null);
  return value;
}

async function decide(ask, promotion, { releaseDigest, planDigest }, decision) {
  const input = {
    ...{ promotion, decision, release: releaseDigest, plan: planDigest, comment: 'a bench' },
    idempotencyKey: crypto.randomUUID(),
  };
  const started = performance.now();
  const { decideApproval } = await ask(DECIDE, { input });
  const value = performance.now() - started;
  if (decideApproval.code !== undefined) {
    throw new Error(`${decision} was refused: ${JSON.stringify(decideApproval)}`);
  }
  return value;
}

async function until(ask, id, isThere) {
  const deadline = performance.now() + 60_000;
  for (;;) {
    const { promotion } = await ask(APPROVAL, { id });
    if (['FAILED', 'REVERTED', 'SUCCEEDED'].includes(promotion.state)) {
      throw new Error(`${id} is ${promotion.state}: ${promotion.reason?.message}`);
    }
    if (isThere(promotion)) return promotion;
    if (performance.now() > deadline) throw new Error(`${id} stands still; see the worker's log.`);
    await sleep(10);
  }
}

/** Milliseconds of a bare Update on a workflow that has started and waits. */
async function updateOne(temporal) {
  const handle = await temporal.workflow.start('bareUpdate', {
    taskQueue: 'bench-update',
    workflowId: `bench-${crypto.randomUUID()}`,
  });
  // Its first task is over when a query of the built-in kind is answered.
  await handle.query('__stack_trace');
  const started = performance.now();
  await handle.executeUpdate('decide', { args: ['approve'], updateId: crypto.randomUUID() });
  const value = performance.now() - started;
  await handle.result();
  return value;
}

function toResult(name, fraction, values, baselines) {
  const value = quantile(values, fraction);
  const baseline = quantile(baselines, fraction);
  return {
    name,
    value,
    baseline,
    ratio: value / baseline,
    unit: 'ms',
    n: values.length,
    spread: { min: Math.min(...values), max: Math.max(...values) },
  };
}

function ms(values, fraction) {
  return `${quantile(values, fraction).toFixed(1)} ms`;
}
