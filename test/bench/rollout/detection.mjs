/** A bad version behind a real HAProxy, at several settings. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { getTool, removeStackData, startLoad, startStack } from '@sluice/infra';
import pg from 'pg';
import { createClient, stopOnSignal } from '../stack-client.mjs';
import { toResult } from './results.mjs';

const WEB = ['web-1', 'web-2', 'web-3', 'web-4'];
const GOOD = '1.0.0';
const BAD = '1.3.0';
const PER_SECOND = 100;
const PATIENCE_MS = 300_000;
/** Share of the requests that the first stage gets. Percent. */
const SHARES = [5, 10, 25];

const CREATE = `mutation ($input: CreateReleaseInput!) {
  createRelease(input: $input) { ... on ReleaseRequest { id } ... on Refusal { code message } }
}`;
const RELEASE = 'query ($id: ID!) { releaseRequest(id: $id) { state release { id } } }';
const REQUEST = `mutation ($input: RequestPromotionInput!) {
  requestPromotion(input: $input) { ... on Promotion { id } ... on Refusal { code message } }
}`;

export async function measureDetection({ quick, say }) {
  const shares = quick ? [10] : SHARES;
  const { path: executable } = await getTool('haproxy');
  const dataDir = await mkdtemp(join(tmpdir(), 'sluice-bench-'));
  const pipelinesDir = await mkdtemp(join(tmpdir(), 'sluice-bench-pipelines-'));
  const pipelines = await Promise.all(
    shares.map(async (share) => {
      const file = join(pipelinesDir, `${share}.json`);
      await writeFile(file, JSON.stringify(templateOf(share)));
      return file;
    }),
  );
  say('starting a stack with HAProxy');
  const stack = await startStack({
    dataDir,
    ports: 'any',
    temporalUi: false,
    pipelines,
    environments: shares.map((share, index) => ({
      ...{ name: `share-${share}`, position: index + 1, after: [], pipeline: `canary-${share}` },
    })),
    targets: shares.flatMap((share) =>
      WEB.map((name) => ({
        ...{ name: `${name}-${share}`, environment: `share-${share}` },
        ...{ settings: { TARGET: name }, probe: { path: '/', everyMs: 100 } },
      })),
    ),
    routers: shares.map((share) => ({
      ...{ name: `edge-${share}`, environment: `share-${share}`, kind: 'haproxy' },
      ...{ backend: 'hello', executable },
    })),
    env: { api: { SLUICE_LOG_LEVEL: 'warn' }, worker: { SLUICE_LOG_LEVEL: 'warn' } },
  });
  stopOnSignal(stack);
  const database = new pg.Pool({ connectionString: stack.databaseUrls.postgres, max: 2 });
  try {
    const ask = createClient(stack);
    const good = await makeRelease(ask, GOOD);
    const bad = await makeRelease(ask, BAD);
    const results = [];
    let lost = 0;
    let requests = 0;
    for (const share of shares) {
      await promote({ ask, database, release: good, environment: `share-${share}` });
      const port = stack.getRouterPort(`edge-${share}`);
      const load = startLoad({ url: `http://127.0.0.1:${port}/`, perSecond: PER_SECOND });
      await sleep(2000);
      const id = await promote({ ask, database, release: bad, environment: `share-${share}` });
      await sleep(2000);
      await load.stop();
      const seen = await readTimes(database, id);
      const { total, versions } = load.record.span();
      lost += total.lost;
      requests += total.requests;
      const saw = (100 * (versions[BAD]?.requests ?? 0)) / total.requests;
      say(
        `share ${share} %: ${saw.toFixed(2)} % of ${total.requests} requests saw it; found after ${seen.detection.toFixed(1)} s, off ${seen.off.toFixed(2)} s later, reverted ${seen.reverted.toFixed(2)} s later; lost ${total.lost}`,
      );
      results.push(
        toResult(`share ${share} %, requests that saw the bad version`, '%', [saw]),
        toResult(`share ${share} %, first request to detection`, 's', [seen.detection]),
        toResult(`share ${share} %, detection to traffic off`, 's', [seen.off]),
        toResult(`share ${share} %, detection to reverted`, 's', [seen.reverted]),
      );
    }
    say(`${lost} of ${requests} requests were lost`);
    return [...results, toResult('requests lost by changes of weight', 'requests', [lost])];
  } finally {
    await database.end();
    await stack.stop();
    await removeStackData(dataDir);
    await rm(pipelinesDir, { recursive: true, force: true });
  }
}

function templateOf(share) {
  const metric = { provider: 'probes', direction: 'increase', critical: true };
  const inputs = {
    ...{ strategy: 'canary', router: `edge-${share}`, soakSeconds: 40, intervalSeconds: 5 },
    waves: [
      { name: 'first', targets: 1, share },
      { name: 'all', percent: 100, share: 100 },
    ],
    analysis: {
      minSamples: 3,
      metrics: [
        { ...metric, name: 'errors', query: 'error-rate' },
        { ...metric, name: 'latency', query: 'latency-p90', effect: { criticalIncrease: 2 } },
      ],
    },
  };
  return {
    ...{ schema: 'sluice.pipeline/v2', name: `canary-${share}`, version: 1 },
    steps: [
      { id: 'scan', type: 'scan@1' },
      { id: 'gate', type: 'gate@1', needs: ['scan'] },
      { id: 'plan', type: 'plan@1', needs: ['gate'] },
      { id: 'rollout', type: 'rollout@1', needs: ['plan'], inputs },
    ],
  };
}

async function makeRelease(ask, version) {
  const components = [{ name: 'hello', source: 'samples', reference: version }];
  const input = { name: 'hello', version, components, idempotencyKey: `bench-${version}` };
  const { createRelease } = await ask(CREATE, { input });
  const until = Date.now() + PATIENCE_MS;
  while (Date.now() < until) {
    const { releaseRequest } = await ask(RELEASE, { id: createRelease.id });
    if (releaseRequest.release !== null) return releaseRequest.release.id;
    await sleep(200);
  }
  throw new Error(`Release ${version} of the bench was not resolved in time.`);
}

async function promote({ ask, database, release, environment }) {
  const input = { release, environment, idempotencyKey: crypto.randomUUID() };
  const { requestPromotion: answer } = await ask(REQUEST, { input });
  if (answer.id === undefined) throw new Error(`No promotion: ${JSON.stringify(answer)}`);
  const until = Date.now() + PATIENCE_MS;
  while (Date.now() < until) {
    const { rows } = await database.query(
      'select state, reason_message as why, packet_digest from sluice.promotions where promotion_id = $1',
      [answer.id],
    );
    const [{ state, why, packet_digest: packet }] = rows;
    if (packet !== null && ['succeeded', 'reverted'].includes(state)) return answer.id;
    if (packet !== null) throw new Error(`Promotion ${answer.id} of the bench is ${state}: ${why}`);
    await sleep(200);
  }
  throw new Error(`Promotion ${answer.id} of the bench did not end in time; see the worker log.`);
}

/** By the records: what the agents confirmed, not what was asked of them. */
async function readTimes(database, id) {
  const { rows } = await database.query(
    `select
       (select min(ended_at) from sluice.analyses where promotion_id = $1 and outcome = 'fail') as found,
       (select min(settled_at) from sluice.route_changes
         where promotion_id = $1 and canary_permille > 0 and state = 'confirmed') as begun,
       (select min(settled_at) from sluice.route_changes c where promotion_id = $1 and canary_permille = 0 and state = 'confirmed'
           and settled_at > (select min(ended_at) from sluice.analyses where promotion_id = $1 and outcome = 'fail')) as off,
       (select max(r.received_at) from sluice.agent_reports r join sluice.commands c using (tenant_id, command_digest)
         where c.promotion_id = $1 and c.kind = 'revert' and r.stage = 'confirmed') as reverted`,
    [id],
  );
  const [{ found, begun, off, reverted }] = rows;
  for (const [what, at] of Object.entries({ found, begun, off, reverted })) {
    if (at === null) throw new Error(`The bad version of ${id} was not ${what}.`);
  }
  const seconds = (from, to) => (to.getTime() - from.getTime()) / 1000;
  return {
    detection: seconds(begun, found),
    off: seconds(found, off),
    reverted: seconds(found, reverted),
  };
}
