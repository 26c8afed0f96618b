import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from '@jest/globals';
import { createTrustRoot, generateKeyPair } from '@sluice/signing';
import { type AgentClient, createAgentClient } from './agent-client.ts';
import { targetUri, verifyAgentRequest } from './agent-request.ts';

const pair = generateKeyPair();
const trustRoot = createTrustRoot([
  { publicKey: pair.publicKey, use: 'command', notBefore: '2026-01-01T00:00:00Z' },
]);
let server: Server | undefined;

afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

/** A control plane that verifies what it is sent as the real one does, then answers as told. */
async function clientOf(
  answer: (request: { url: string; body: string }, reply: ServerResponse) => void,
  timeoutMs = 2000,
): Promise<AgentClient> {
  server = createServer(async (incoming: IncomingMessage, reply) => {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    const body = new Uint8Array(Buffer.concat(chunks));
    const url = targetUri('http', incoming.headers.host ?? '', incoming.url ?? '');
    const request = { method: incoming.method ?? '', url, body };
    const headers = incoming.headers as Record<string, string>;
    const outcome = await verifyAgentRequest({ ...request, headers }, () => pair.publicKey);
    if (outcome.ok) {
      const line = `${incoming.method} ${incoming.url}`;
      return answer({ url: line, body: Buffer.from(body).toString() }, reply);
    }
    reply.writeHead(401).end(JSON.stringify(outcome.refusal));
  });
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return createAgentClient({ baseUrl: `http://127.0.0.1:${port}`, keyPair: pair, timeoutMs });
}

test('enrols, beats, polls and reports with requests that the other end verifies', async () => {
  const asked: string[] = [];
  const envelope = { payloadType: 't', payload: '', signatures: [] };
  const delivery = { sequence: 3, envelope, payload: '{}', traceparent: '' };
  const client = await clientOf(({ url, body }, reply) => {
    asked.push(`${url} ${body}`.trim());
    if (url.includes('enroll')) {
      reply.end(
        JSON.stringify({
          tenantId: 'default',
          target: 'dev-1',
          agentKeyId: pair.keyId,
          trustRoot,
          heartbeatSeconds: 10,
        }),
      );
    } else if (url.includes('commands')) reply.end(JSON.stringify({ commands: [delivery] }));
    else reply.end('{"ok":true}');
  });
  expect((await client.enrol('token', '0.1.0')).trustRoot).toEqual(trustRoot);
  await client.heartbeat({ version: '0.1.0', activeRelease: null, lastSequence: 0 });
  expect(await client.pollCommands(2, 99)).toEqual([delivery]);
  await client.sendReport(envelope);
  expect(asked.map((line) => line.split(' ').slice(0, 2).join(' '))).toEqual([
    'POST /agent/v1/enroll',
    'POST /agent/v1/heartbeat',
    'GET /agent/v1/commands?after=2&wait=25',
    'POST /agent/v1/reports',
  ]);
});

test('a blob is verified and bounded', async () => {
  const content = Buffer.alloc(200_000, 'x');
  const digest = `sha256:${createHash('sha256').update(content).digest('hex')}`;
  const client = await clientOf((_, reply) => void reply.end(content));
  const read = async (wanted: string, maxBytes: number): Promise<number> => {
    let size = 0;
    for await (const chunk of client.fetchBlob(wanted, { maxBytes })) size += chunk.byteLength;
    return size;
  };
  expect(await read(digest, content.length)).toBe(content.length);
  await expect(read(`sha256:${'0'.repeat(64)}`, content.length)).rejects.toMatchObject({
    code: 'blob-corrupt',
  });
  await expect(read(digest, content.length - 1)).rejects.toMatchObject({ code: 'blob-corrupt' });
  await expect(read('../etc/passwd', 10)).rejects.toMatchObject({ code: 'blob-corrupt' });
});

test('a blob that falls silent half-way is given up', async () => {
  const client = await clientOf((_, reply) => void reply.write('half'), 300);
  const digest = `sha256:${'0'.repeat(64)}`;
  const read = async () => {
    for await (const _ of client.fetchBlob(digest, { maxBytes: 100 })) continue;
  };
  await expect(read()).rejects.toMatchObject({ code: 'control-plane-unreachable' });
});

test('a refusal carries the code of the control plane', async () => {
  const client = await clientOf((_, reply) => {
    reply.writeHead(403).end('{"code":"agent-revoked","message":"Revoked."}');
  });
  await expect(client.pollCommands(0, 0)).rejects.toMatchObject({
    code: 'control-plane-refused',
    refusalCode: 'agent-revoked',
    status: 403,
  });
});

test.each([
  [
    'an inner error',
    'control-plane-unreachable',
    (r: ServerResponse) => void r.writeHead(500).end(),
  ],
  [
    'an odd refusal',
    'control-plane-unreachable',
    (r: ServerResponse) => void r.writeHead(404).end('x'),
  ],
  ['silence', 'control-plane-unreachable', () => undefined],
  [
    'a redirect',
    'control-plane-unreachable',
    (r: ServerResponse) => void r.writeHead(302, { location: '/' }).end(),
  ],
  ['rubbish', 'response-malformed', (r: ServerResponse) => void r.end('rubbish')],
  ['more fields', 'response-malformed', (r: ServerResponse) => void r.end('{"ok":true,"x":1}')],
  ['too much', 'response-malformed', (r: ServerResponse) => void r.end('x'.repeat(5_000_000))],
])('%s is told as %s', async (_, code, answer) => {
  const client = await clientOf((_request, reply) => answer(reply), 500);
  const state = { version: '0.1.0', activeRelease: null, lastSequence: 0 };
  await expect(client.heartbeat(state)).rejects.toMatchObject({ code });
});

test('nobody listening is unreachable, and so is a caller who gave up', async () => {
  const client = createAgentClient({ baseUrl: 'http://127.0.0.1:1', keyPair: pair });
  await expect(client.pollCommands(0, 0)).rejects.toMatchObject({
    code: 'control-plane-unreachable',
  });
  const waiting = await clientOf(() => undefined);
  await expect(waiting.pollCommands(0, 25, AbortSignal.timeout(100))).rejects.toMatchObject({
    code: 'control-plane-unreachable',
  });
});
