import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { composeRelease } from '@sluice/domain';
import { insertEvidence, insertRelease, withTenant } from '@sluice/persistence';
import { digestOfBytes } from '@sluice/pure';
import { generateKeyPair, statementDigest } from '@sluice/signing';
import {
  dispatch,
  enrol,
  reportOf,
  type StoredCommand,
  type TestAgent,
} from '../testing/agent-scene.ts';
import { addPromotion, addRelease } from '../testing/scene.ts';
import { type Json, startTestApi, TENANT, type TestApi, testTarget } from '../testing/test-api.ts';

let api: TestApi;
let agent: TestAgent;
let stranger: TestAgent;
let release: string;

beforeAll(async () => {
  api = await startTestApi();
  const { kind, address, health } = testTarget('second-host', 'dev');
  await api.database.query(
    `insert into sluice.targets (tenant_id, target_id, environment_id, kind, address, health)
     values ($1, 'second-host', 'dev', $2, $3, $4)`,
    [TENANT, kind, address, health],
  );
  agent = await enrol(api, 'acme-host');
  stranger = await enrol(api, 'second-host');
  release = await addRelease(api, '1.0.0');
});

afterAll(async () => {
  await api?.stop();
});

async function dispatchNew(kind: 'deploy' | 'revert' = 'deploy'): Promise<StoredCommand> {
  return dispatch(api, agent, await addPromotion(api, release), release, kind);
}

const sequenceBefore = async (): Promise<number> => {
  const [row] = await api.database.query<{ last: number }>(
    "select last_command_sequence::integer as last from sluice.targets where target_id = 'acme-host'",
  );
  return row?.last ?? 0;
};

async function stateOf({ command }: StoredCommand) {
  const [deployment] = await api.database.query<Record<string, unknown>>(
    'select state, failure_code from sluice.deployments where promotion_id = $1',
    [command.promotionId],
  );
  const outbox = await api.database.query<{ body: Record<string, Json> }>(
    "select body from sluice.outbox where kind = 'complete-activity' and body->>'activityId' = $1",
    [`activity-${command.sequence}`],
  );
  const stages = await api.database.query<{ stage: string }>(
    `select data->>'stage' as stage from sluice.events
      where type = 'report.received' and promotion_id = $1 order by arrival`,
    [command.promotionId],
  );
  return {
    deployment,
    completions: outbox.map(({ body }) => body),
    stages: stages.map(({ stage }) => stage),
  };
}

test('a waiting poll is woken by a command, of its own target only', async () => {
  const after = await sequenceBefore();
  const started = performance.now();
  const waiting = agent.client.pollCommands(after, 20);
  const foreign = stranger.client.pollCommands(0, 1);
  await new Promise((resolve) => setTimeout(resolve, 200));
  const stored = await dispatchNew();
  const commands = await waiting;
  expect(performance.now() - started).toBeLessThan(4000);
  expect(commands).toMatchObject([
    {
      sequence: stored.command.sequence,
      envelope: stored.envelope,
      traceparent: expect.stringMatching(/^00-0af7651916cd43dd8448eb211c80319c-/),
    },
  ]);
  expect(digestOfBytes(commands[0]?.payload ?? '')).toBe(stored.command.payloadDigest);
  expect(await foreign).toEqual([]);
});

test('a poll without news ends after its time, and a settled command is not handed out again', async () => {
  const after = await sequenceBefore();
  const started = performance.now();
  expect(await agent.client.pollCommands(after, 1)).toEqual([]);
  expect(performance.now() - started).toBeGreaterThan(900);
  const stored = await dispatchNew();
  expect(await agent.client.pollCommands(after, 0)).toHaveLength(1);
  await agent.client.sendReport(reportOf(agent, stored, 'confirmed'));
  expect(await agent.client.pollCommands(after, 0)).toEqual([]);
});

test('samples are stored of the own target, once; those of another time are refused', async () => {
  const sampledAt = new Date(Math.floor(Date.now() / 5000) * 5000 - 5000).toISOString();
  const sample = {
    ...{ sampledAt, seconds: 5, requests: 50, errors: 2, p50Ms: 1.5, p90Ms: 2, p99Ms: null },
    activeRelease: null,
  };
  await agent.client.sendProbes([sample]);
  await agent.client.sendProbes([sample, { ...sample, errors: 40 }]);
  await stranger.client.sendProbes([]);
  const stored = await api.database.query(
    'select target_id, seconds, requests, errors, p50_ms, p99_ms from sluice.probe_samples',
  );
  expect(stored).toEqual([
    { target_id: 'acme-host', seconds: 5, requests: 50, errors: 2, p50_ms: 1.5, p99_ms: null },
  ]);
  const wrong = [
    [{ ...sample, sampledAt: '2026-01-01T00:00:00Z' }, 'sample-time-wrong'],
    [{ ...sample, errors: 51 }, 'body-malformed'],
    [{ ...sample, seconds: 0 }, 'body-malformed'],
  ] as const;
  for (const [one, refusalCode] of wrong) {
    await expect(agent.client.sendProbes([one])).rejects.toMatchObject({ refusalCode });
  }
});

test('more polls of one target than allowed at once are put off', async () => {
  const after = await sequenceBefore();
  const stop = new AbortController();
  const polls = Array.from({ length: 3 }, () => agent.client.pollCommands(after, 20, stop.signal));
  const settled = Promise.allSettled(polls);
  await new Promise((resolve) => setTimeout(resolve, 200));
  await expect(agent.client.pollCommands(after, 5)).rejects.toMatchObject({ status: 429 });
  stop.abort();
  await settled;
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(await agent.client.pollCommands(after, 0)).toEqual([]);
});

test('the stages of a deployment are stored, and the last one completes the activity, once', async () => {
  const stored = await dispatchNew();
  for (const stage of ['accepted', 'fetched', 'activated'] as const) {
    await agent.client.sendReport(reportOf(agent, stored, stage));
  }
  expect((await stateOf(stored)).completions).toEqual([]);
  const final = reportOf(agent, stored, 'confirmed');
  await agent.client.sendReport(final);
  await agent.client.sendReport(final);
  await agent.client.sendReport(reportOf(agent, stored, 'confirmed'));
  expect(await stateOf(stored)).toEqual({
    deployment: { state: 'confirmed', failure_code: null },
    stages: ['accepted', 'fetched', 'activated', 'confirmed'],
    completions: [
      {
        workflowId: `promotion/acme/${stored.command.promotionId}`,
        runId: 'run-1',
        activityId: `activity-${stored.command.sequence}`,
        result: {
          outcome: 'succeeded',
          outputs: { report: statementDigest(final), plan: stored.command.planDigest },
          reason: null,
        },
      },
    ],
  });
});

test.each(['refused', 'reverted'] as const)(
  'a deployment that was %s fails with the reason',
  async (stage) => {
    const stored = await dispatchNew();
    await agent.client.sendReport(reportOf(agent, stored, stage));
    const { deployment, completions } = await stateOf(stored);
    expect(deployment).toEqual({ state: stage, failure_code: 'health-failed' });
    expect(completions).toMatchObject([
      { result: { outcome: 'failed', reason: { code: 'health-failed' } } },
    ]);
    expect(completions[0]?.result.reason.message).toContain('acme-host');
  },
);

test('a revert succeeds when it put things back, and fails when it was refused or taken back', async () => {
  for (const [stage, outcome, state] of [
    ['reverted', 'failed', 'confirmed'],
    ['confirmed', 'succeeded', 'reverted'],
    ['refused', 'failed', 'confirmed'],
  ] as const) {
    const deploy = await dispatchNew();
    await agent.client.sendReport(reportOf(agent, deploy, 'confirmed'));
    const { promotionId } = deploy.command;
    const revert = await dispatch(api, agent, promotionId, release, 'revert');
    await agent.client.sendReport(reportOf(agent, revert, stage));
    const found = await stateOf(revert);
    expect(found.completions).toMatchObject([{ result: { outcome } }]);
    expect(found.deployment).toMatchObject({ state });
  }
});

test('reports that are forged, foreign or about nothing change nothing', async () => {
  const stored = await dispatchNew();
  const refused = (status: number, refusalCode: string) => ({ status, refusalCode });
  const forged = reportOf(agent, stored, 'confirmed', {}, generateKeyPair());
  await expect(agent.client.sendReport(forged)).rejects.toMatchObject(
    refused(400, 'key-not-trusted'),
  );
  await expect(
    agent.client.sendReport(reportOf(agent, stored, 'confirmed', { target: 'second-host' })),
  ).rejects.toMatchObject(refused(403, 'target-foreign'));
  await expect(
    agent.client.sendReport(reportOf(agent, stored, 'confirmed', { tenantId: 'globex' })),
  ).rejects.toMatchObject(refused(403, 'target-foreign'));
  await expect(
    stranger.client.sendReport(reportOf(stranger, stored, 'confirmed')),
  ).rejects.toMatchObject(refused(403, 'command-foreign'));
  await expect(
    agent.client.sendReport(reportOf(agent, stored, 'confirmed', { sequence: 999 })),
  ).rejects.toMatchObject(refused(403, 'command-foreign'));
  await expect(
    agent.client.sendReport(
      reportOf(agent, stored, 'confirmed', { commandDigest: digestOfBytes('nothing') }),
    ),
  ).rejects.toMatchObject(refused(404, 'command-unknown'));
  expect(await stateOf(stored)).toEqual({
    deployment: { state: 'dispatched', failure_code: null },
    completions: [],
    stages: [],
  });
});

test('a command that is over gets no second, other end', async () => {
  const stored = await dispatchNew();
  await agent.client.sendReport(reportOf(agent, stored, 'confirmed'));
  await agent.client.sendReport(reportOf(agent, stored, 'refused'));
  const { deployment, completions } = await stateOf(stored);
  expect(deployment).toMatchObject({ state: 'confirmed' });
  expect(completions).toHaveLength(1);
});

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return Buffer.concat(parts).toString('utf8');
}

test('blobs are handed out only when a command to this target named their release', async () => {
  const keep = (content: string) => api.evidence.put(content, { maxBytes: 1 << 20 });
  const put = async (content: string) => {
    const blob = await keep(content);
    const mediaType = 'application/octet-stream';
    await withTenant(api.workerPool, TENANT, (tx) => insertEvidence(tx, { ...blob, mediaType }));
    return blob;
  };
  // What another tenant has put there belongs to nobody who only names it.
  const foreign = await keep("another tenant's");
  const layer = await put('layer');
  const config = await put('{"config":true}');
  const secret = await put('somebody else’s report');
  const manifest = await put(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...config },
      layers: [layer, foreign].map((blob) => ({
        mediaType: 'application/vnd.oci.image.layer.v1.tar',
        ...blob,
      })),
    }),
  );
  const composed = composeRelease('shop', '5.0.0', [
    { name: 'web', kind: 'oci', digest: manifest.digest, version: '5.0.0' },
  ]);
  if (!composed.ok) throw new Error('release');
  const stored = await withTenant(api.workerPool, TENANT, (tx) =>
    insertRelease(tx, { release: composed.value, createdBy: 'test' }),
  );
  if (!stored.ok) throw new Error('release');
  const digest = stored.value.releaseDigest;
  const fetchBlob = (who: TestAgent, wanted: string) =>
    collect(who.client.fetchBlob(wanted, { maxBytes: 1 << 20 }));
  const unknown = { status: 404, refusalCode: 'blob-unknown' };
  await expect(fetchBlob(agent, layer.digest)).rejects.toMatchObject(unknown);
  await dispatch(api, agent, await addPromotion(api, digest), digest);
  expect(await fetchBlob(agent, layer.digest)).toBe('layer');
  expect(await fetchBlob(agent, config.digest)).toBe('{"config":true}');
  expect(await fetchBlob(agent, manifest.digest)).toContain('schemaVersion');
  for (const { digest: other } of [secret, foreign]) {
    await expect(fetchBlob(agent, other)).rejects.toMatchObject(unknown);
  }
  await expect(fetchBlob(stranger, layer.digest)).rejects.toMatchObject(unknown);
});
