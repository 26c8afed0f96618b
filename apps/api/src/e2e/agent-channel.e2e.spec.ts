import { request as httpRequest } from 'node:http';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createAgentClient, MAX_REQUEST_BYTES, signAgentRequest } from '@sluice/agent-protocol';
import { revokeAgent, withTenant } from '@sluice/persistence';
import { generateKeyPair, type KeyPair } from '@sluice/signing';
import { enrol, mintToken, type TestAgent } from '../testing/agent-scene.ts';
import { startTestApi, TENANT, type TestApi, testTarget } from '../testing/test-api.ts';

let api: TestApi;
let agent: TestAgent;

beforeAll(async () => {
  api = await startTestApi();
  for (const name of ['second-host', 'third-host', 'gone-host']) {
    const { kind, address, labels, settings, health } = testTarget(name, 'dev');
    await api.database.query(
      `insert into sluice.targets (tenant_id, target_id, environment_id, kind, address, labels, settings, health)
       values ($1, $2, 'dev', $3, $4, $5, $6, $7)`,
      [TENANT, name, kind, address, labels, settings, health],
    );
  }
  agent = await enrol(api, 'acme-host');
});

afterAll(async () => {
  await api?.stop();
});

const beat = { version: '0.1.0', activeRelease: null, lastSequence: 0 };

interface Sent {
  readonly status: number;
  readonly body: { readonly code?: string; readonly message?: string };
}

async function send(
  path: string,
  body: string,
  keyPair: KeyPair,
  change: {
    readonly now?: number;
    readonly nonce?: string;
    readonly headers?: Record<string, string>;
    readonly sentBody?: string;
    readonly sentPath?: string;
    readonly method?: string;
  } = {},
): Promise<Sent> {
  const bytes = new Uint8Array(Buffer.from(body));
  const signed = await signAgentRequest(
    { method: 'POST', url: `${api.url}${path}`, body: bytes },
    keyPair,
    change.now,
    change.nonce,
  );
  const response = await fetch(`${api.url}${change.sentPath ?? path}`, {
    method: change.method ?? 'POST',
    headers: { ...signed, 'content-type': 'application/json', ...change.headers },
    body: change.sentBody ?? body,
  });
  return { status: response.status, body: (await response.json()) as Sent['body'] };
}

const heartbeat = '/agent/v1/heartbeat';
const beatText = JSON.stringify(beat);

test('an enrolled agent is online after its first heartbeat', async () => {
  const query = '{ target(name: "acme-host") { agent { keyId state version lastHeartbeatAt } } }';
  const before = await api.ask(query);
  expect(before.data?.target.agent).toMatchObject({
    keyId: agent.keyPair.keyId,
    state: 'OFFLINE',
    lastHeartbeatAt: null,
  });
  await agent.client.heartbeat({ ...beat, version: '0.2.0' });
  const after = await api.ask(query);
  expect(after.data?.target.agent).toMatchObject({ state: 'ONLINE', version: '0.2.0' });
});

test('what an agent says is active is kept: plans are made against it', async () => {
  const active = () =>
    api.database.query(
      "select active_release, active_reported_at is not null as told from sluice.agents where target_id = 'acme-host' and revoked_at is null",
    );
  for (const activeRelease of [`sha256:${'a'.repeat(64)}`, null]) {
    await agent.client.heartbeat({ ...beat, activeRelease });
    expect(await active()).toEqual([{ active_release: activeRelease, told: true }]);
  }
});

test('a genuine request is taken once: its replay is not', async () => {
  const nonce = 'a-nonce-of-its-own';
  expect(await send(heartbeat, beatText, agent.keyPair, { nonce })).toEqual({
    status: 200,
    body: { ok: true },
  });
  expect(await send(heartbeat, beatText, agent.keyPair, { nonce })).toMatchObject({
    status: 401,
    body: { code: 'nonce-replayed' },
  });
});

test('the same nonce sent at once is taken exactly once', async () => {
  const all = await Promise.all(
    Array.from({ length: 8 }, () => send(heartbeat, beatText, agent.keyPair, { nonce: 'racing' })),
  );
  expect(all.filter(({ status }) => status === 200)).toHaveLength(1);
});

test('forged, stale, foreign and damaged requests are refused with 401', async () => {
  const other = generateKeyPair();
  const now = Date.now();
  const impostor: KeyPair = { ...other, keyId: agent.keyPair.keyId };
  const cases: readonly (readonly [string, Promise<Sent>])[] = [
    ['signature-invalid', send(heartbeat, beatText, impostor)],
    ['key-unknown', send(heartbeat, beatText, other)],
    ['signature-stale', send(heartbeat, beatText, agent.keyPair, { now: now - 62_000 })],
    ['signature-stale', send(heartbeat, beatText, agent.keyPair, { now: now + 62_000 })],
    ['content-digest-mismatch', send(heartbeat, beatText, agent.keyPair, { sentBody: '{}' })],
    [
      'content-digest-mismatch',
      send(heartbeat, beatText, agent.keyPair, {
        headers: { 'content-digest': `sha-256=:${Buffer.alloc(32).toString('base64')}:` },
      }),
    ],
    [
      'content-digest-malformed',
      send(heartbeat, beatText, agent.keyPair, { headers: { 'content-digest': '???' } }),
    ],
    ['signature-missing', send(heartbeat, beatText, agent.keyPair, { headers: { signature: '' } })],
    [
      'signature-invalid',
      send(heartbeat, beatText, agent.keyPair, { sentPath: '/agent/v1/reports' }),
    ],
    [
      'signature-invalid',
      send(heartbeat, beatText, agent.keyPair, { sentPath: `${heartbeat}?x=1` }),
    ],
  ];
  for (const [code, sending] of cases) {
    const { status, body } = await sending;
    const known = code === 'signature-missing' ? /^signature-/ : new RegExp(`^${code}$`);
    expect(body.code).toMatch(known);
    expect(status).toBe(401);
  }
});

test('a body over the limit is refused before it is read, a compressed one too', async () => {
  const large = JSON.stringify({ ...beat, version: 'x'.repeat(MAX_REQUEST_BYTES) });
  expect(await send(heartbeat, large, agent.keyPair)).toMatchObject({
    status: 413,
    body: { code: 'body-too-large' },
  });
  const packed = await send(heartbeat, beatText, agent.keyPair, {
    headers: { 'content-encoding': 'gzip' },
  });
  expect(packed).toMatchObject({ status: 415, body: { code: 'body-unreadable' } });
});

test('a body of another form is refused with 400', async () => {
  for (const body of ['', 'null', '{}', '{"version":1}', JSON.stringify({ ...beat, more: 1 })]) {
    expect(await send(heartbeat, body, agent.keyPair)).toMatchObject({
      status: 400,
      body: { code: 'body-malformed' },
    });
  }
});

test('a poll with a query of another form is refused with 400', async () => {
  for (const query of ['after=-1', 'wait=26', 'after=1.5', 'after=x', 'after=1&after=2']) {
    const url = `${api.url}/agent/v1/commands?${query}`;
    const signed = await signAgentRequest(
      { method: 'GET', url, body: new Uint8Array() },
      agent.keyPair,
    );
    const response = await fetch(url, { headers: signed });
    expect(response.status).toBe(400);
  }
});

test('a revoked key and a removed target are locked out at once', async () => {
  const second = await enrol(api, 'second-host');
  await second.client.heartbeat(beat);
  await withTenant(api.appPool, TENANT, (tx) => revokeAgent(tx, 'second-host'));
  await expect(second.client.heartbeat(beat)).rejects.toMatchObject({
    status: 401,
    refusalCode: 'key-unknown',
  });
  const gone = await enrol(api, 'gone-host');
  await api.database.query(
    "update sluice.targets set removed_at = now() where target_id = 'gone-host'",
  );
  await expect(gone.client.heartbeat(beat)).rejects.toMatchObject({
    status: 403,
    refusalCode: 'target-removed',
  });
});

test('a token enrols once, for its target, while it is fresh; another key replaces the first', async () => {
  const enrolWith = (token: string, keyPair = generateKeyPair()) =>
    createAgentClient({ baseUrl: api.url, keyPair }).enrol(token, '0.1.0');
  const token = mintToken('third-host');
  const first = generateKeyPair();
  expect(await enrolWith(token, first)).toMatchObject({
    tenantId: TENANT,
    target: 'third-host',
    agentKeyId: first.keyId,
    heartbeatSeconds: 10,
    trustRoot: { schema: 'sluice.trust-root/v1' },
  });
  const refused = (code: string, status = 401) => ({ status, refusalCode: code });
  await expect(enrolWith(token)).rejects.toMatchObject(refused('enrolment-token-used'));
  // The same key with the same token: the first answer was lost on its way.
  expect(await enrolWith(token, first)).toMatchObject({ agentKeyId: first.keyId });
  const expired = mintToken('third-host', { expiresAt: '2020-01-01T00:00:00.000Z' });
  await expect(enrolWith(expired)).rejects.toMatchObject(refused('enrolment-token-expired'));
  await expect(enrolWith(`${token}x`)).rejects.toMatchObject(refused('enrolment-token-invalid'));
  const foreign = mintToken('globex-host', { tenantId: 'globex' });
  await expect(enrolWith(foreign)).rejects.toMatchObject(refused('enrolment-token-foreign'));
  await expect(enrolWith(mintToken('no-host'))).rejects.toMatchObject(
    refused('target-unknown', 404),
  );
  await expect(enrolWith(mintToken('third-host'), agent.keyPair)).rejects.toMatchObject(
    refused('key-taken', 409),
  );
  const second = generateKeyPair();
  await enrolWith(mintToken('third-host'), second);
  const old = createAgentClient({ baseUrl: api.url, keyPair: first });
  await expect(old.heartbeat(beat)).rejects.toMatchObject(refused('key-unknown'));
  await createAgentClient({ baseUrl: api.url, keyPair: second }).heartbeat(beat);
  await expect(enrolWith(token, first)).rejects.toMatchObject(refused('enrolment-token-used'));
  const events = await api.database.query<{ data: Record<string, string> }>(
    "select data from sluice.events where type = 'agent.enrolled' and subject = 'target:third-host' order by arrival",
  );
  expect(events.map(({ data }) => [data.keyId, data.replacedKeyId])).toEqual([
    [first.keyId, null],
    [second.keyId, first.keyId],
  ]);
});

test('a key that somebody else holds can not be enrolled', async () => {
  const victim = generateKeyPair();
  const thief = generateKeyPair();
  const body = JSON.stringify({
    token: mintToken('third-host'),
    publicKey: victim.publicKey,
    version: '1',
  });
  expect(await send('/agent/v1/enroll', body, thief)).toMatchObject({ status: 401 });
  const noKey = body.replace(/BEGIN PUBLIC KEY/, 'BEGIN NOTHING');
  expect(await send('/agent/v1/enroll', noKey, thief)).toMatchObject({
    status: 400,
    body: { code: 'public-key-invalid' },
  });
});

test('the answers are JSON also where the path does not exist', async () => {
  const status = await new Promise<number | undefined>((resolve, reject) => {
    httpRequest(`${api.url}/agent/v1/nothing`, (response) => {
      response.resume();
      resolve(response.statusCode);
    })
      .on('error', reject)
      .end();
  });
  expect(status).toBe(404);
});
