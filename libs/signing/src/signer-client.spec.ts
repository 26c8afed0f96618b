import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, expect, test } from '@jest/globals';
import { generateKeyPair } from './key-pair.ts';
import { createSignerClient, type SignCommandRequest } from './signer-client.ts';
import { signerSocketPath } from './signer-socket.ts';
import { createTrustRoot } from './trust-root.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-signer-'));
let server: Server | undefined;

afterAll(() => rmSync(folder, { recursive: true, force: true }));

afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

const command: SignCommandRequest = {
  tenantId: 'default',
  promotionId: 'dev/1',
  target: 'dev-1',
  kind: 'deploy',
  planDigest: `sha256:${'0'.repeat(64)}`,
  payloadDigest: `sha256:${'0'.repeat(64)}`,
  idempotencyKey: 'k',
  sequence: 1,
  notBefore: '2026-11-21T12:00:00Z',
  expiresAt: '2026-11-21T12:05:00Z',
};

async function listen(
  path: string,
  answer: (url: string, body: string, reply: ServerResponse) => void,
): Promise<void> {
  server = createServer(async (incoming, reply) => {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    answer(`${incoming.method} ${incoming.url}`, Buffer.concat(chunks).toString(), reply);
  });
  await new Promise<void>((resolve) => server?.listen(signerSocketPath(path), resolve));
}

test('asks over the socket, also when its path is too long for one', async () => {
  const deep = join(folder, 'd'.repeat(120));
  mkdirSync(deep);
  const path = join(deep, 'signer.sock');
  const envelope = { payloadType: 't', payload: '', signatures: [] };
  const pair = generateKeyPair();
  const trustRoot = createTrustRoot([
    { publicKey: pair.publicKey, use: 'command', notBefore: '2026-01-01T00:00:00Z' },
  ]);
  const asked: string[] = [];
  await listen(path, (url, body, reply) => {
    asked.push(url);
    if (url === 'GET /v1/trust-root') reply.end(JSON.stringify(trustRoot));
    else if (url === 'POST /v1/statements') reply.end(JSON.stringify({ envelope }));
    else reply.end(JSON.stringify({ envelope, commandDigest: JSON.parse(body).planDigest }));
  });
  const client = createSignerClient({ socketPath: path });
  expect(await client.readTrustRoot()).toEqual(trustRoot);
  expect(await client.signCommand(command)).toEqual({
    envelope,
    commandDigest: command.planDigest,
  });
  const statement = { _type: 'x' } as never;
  expect(
    await client.signStatement({ tenantId: 'default', promotionId: 'dev/1', statement }),
  ).toEqual({ envelope });
  expect(asked).toEqual(['GET /v1/trust-root', 'POST /v1/commands', 'POST /v1/statements']);
});

test('a refusal is told apart from a signer that is not there', async () => {
  const path = join(folder, 'refusing.sock');
  await listen(path, (_url, _body, reply) => {
    reply.writeHead(409).end('{"code":"decision-not-allow","message":"The gate denied it."}');
  });
  await expect(createSignerClient({ socketPath: path }).signCommand(command)).rejects.toMatchObject(
    {
      code: 'signer-refused',
      refusalCode: 'decision-not-allow',
      message: 'The gate denied it.',
    },
  );
  const absent = createSignerClient({ socketPath: join(folder, 'absent.sock') });
  await expect(absent.signCommand(command)).rejects.toMatchObject({ code: 'signer-unavailable' });
});

test.each([
  ['an inner error', (reply: ServerResponse) => void reply.writeHead(500).end('{}')],
  ['rubbish', (reply: ServerResponse) => void reply.end('rubbish')],
  ['an answer without envelope', (reply: ServerResponse) => void reply.end('{}')],
  ['a refusal without a code', (reply: ServerResponse) => void reply.writeHead(409).end('{}')],
  ['silence', () => undefined],
  ['half an answer', (reply: ServerResponse) => void reply.write('{"envelope":')],
])('%s counts as unavailable', async (_, answer) => {
  const path = join(folder, 'odd.sock');
  rmSync(path, { force: true });
  await listen(path, (_url, _body, reply) => answer(reply));
  const client = createSignerClient({ socketPath: path, timeoutMs: 300 });
  await expect(client.signCommand(command)).rejects.toMatchObject({ code: 'signer-unavailable' });
});

test('a short path stays; a long one becomes one in a folder of mode 700, the same each time', () => {
  expect(signerSocketPath('/run/sluice/signer.sock')).toBe('/run/sluice/signer.sock');
  const long = `/${'x'.repeat(101)}/signer.sock`;
  const short = signerSocketPath(long);
  expect(Buffer.byteLength(short)).toBeLessThanOrEqual(100);
  expect(statSync(dirname(short)).mode & 0o777).toBe(0o700);
  expect(signerSocketPath(long)).toBe(short);
  expect(signerSocketPath(`${long}2`)).not.toBe(short);
});

test('a derived folder that is open to others is refused', () => {
  const long = `/${'y'.repeat(101)}/signer.sock`;
  const made = dirname(signerSocketPath(long));
  rmSync(made, { recursive: true });
  mkdirSync(made, { mode: 0o755 });
  expect(() => signerSocketPath(long)).toThrow(
    expect.objectContaining({ code: 'socket-path-unsafe' }),
  );
  rmSync(made, { recursive: true });
});
