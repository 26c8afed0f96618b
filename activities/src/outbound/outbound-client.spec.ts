import { type AddressInfo, createServer as createSocketServer } from 'node:net';
import { afterEach, expect, test } from '@jest/globals';
import { drainBody } from './answer-body.ts';
import type { OutboundRequest } from './outbound-client.ts';
import { createOutboundClients } from './outbound-clients.ts';
import { localClients } from './testing/fake-run.ts';
import { type LocalServer, pour, serveLocally } from './testing/local-server.ts';

const client = localClients().team;
const never = new AbortController().signal;
let server: LocalServer | undefined;
afterEach(() => server?.close());

test('method, headers and body arrive, the answer comes back', async () => {
  server = await serveLocally((_request, response) => {
    response.writeHead(201, { 'X-One': 'a', 'Set-Cookie': ['a=1', 'b=2'] }).end('done');
  });
  const answer = await ask({
    method: 'POST',
    headers: { 'X-Two': 'b' },
    body: Buffer.from('héllo'),
  });
  expect(answer).toMatchObject({ status: 201, text: 'done' });
  expect(answer.headers).toMatchObject({ 'x-one': 'a', 'set-cookie': 'a=1, b=2' });
  expect(server.seen).toMatchObject([
    { method: 'POST', body: 'héllo', headers: { 'x-two': 'b', 'content-length': '6' } },
  ]);
});

test('a redirect is an answer', async () => {
  server = await serveLocally((_request, response) => {
    response.writeHead(302, { location: '/elsewhere' }).end();
  });
  expect((await ask({})).status).toBe(302);
  expect(server.seen).toHaveLength(1);
});

test('an answer that does not come in time is none, also when its body drips', async () => {
  server = await serveLocally((request, response) => {
    if (request.url === '/silent') return;
    response.writeHead(200);
    const timer = setInterval(() => response.write('.'), 20);
    response.on('close', () => clearInterval(timer));
  });
  for (const path of ['/silent', '/drip']) {
    await expect(ask({ url: server.origin + path, timeoutMs: 200 })).rejects.toMatchObject({
      code: 'outbound-unanswered',
      message: 'no whole answer came within 0.2 s',
    });
  }
});

test('an endless body is cut at the bound, long headers too', async () => {
  server = await serveLocally((request, response) => {
    if (request.url === '/headers') {
      const many = Array.from({ length: 60 }, (_, index) => [`x-${index}`, 'h'.repeat(1000)]);
      response.writeHead(200, Object.fromEntries(many)).end();
    } else pour(response.writeHead(200));
  });
  const tooLarge = { code: 'outbound-too-large' };
  await expect(ask({ maxBytes: 100_000 })).rejects.toMatchObject(tooLarge);
  await expect(ask({ url: `${server.origin}/headers` })).rejects.toMatchObject(tooLarge);
});

test('what is not read of a body is not waited for', async () => {
  server = await serveLocally((_request, response) => pour(response.writeHead(200)));
  const status = await client.exchange(request({}), async (answer) => answer.status);
  expect(status).toBe(200);
});

test('a connection that is refused, reset or speaks no HTTP is no answer', async () => {
  server = await serveLocally((asked, response) => {
    if (asked.url === '/middle') response.writeHead(200, { 'content-length': 10 }).write('abc');
    setTimeout(() => response.destroy(), 20);
  });
  await expect(ask({})).rejects.toMatchObject({ message: expect.stringMatching(/ECONNRESET/) });
  await expect(ask({ url: `${server.origin}/middle` })).rejects.toMatchObject({
    code: 'outbound-unanswered',
    message: expect.stringMatching(/ECONNRESET/),
  });
  const { origin } = server;
  await server.close();
  await expect(ask({ url: origin })).rejects.toMatchObject({
    message: 'the connection was refused (ECONNREFUSED)',
  });
  const noise = createSocketServer((socket) => socket.end('SSH-2.0-OpenSSH\r\n'));
  await new Promise<void>((resolve) => noise.listen(0, '127.0.0.1', resolve));
  const { port } = noise.address() as AddressInfo;
  await expect(ask({ url: `http://127.0.0.1:${port}/` })).rejects.toMatchObject({
    code: 'outbound-unanswered',
    message: expect.stringMatching(/^HPE_/),
  });
  noise.close();
});

test('a cancellation ends it with its reason, before the answer and within it', async () => {
  server = await serveLocally((asked, response) => {
    if (asked.url === '/body') response.writeHead(200).write('a');
  });
  for (const path of ['/', '/body']) {
    const cancel = new AbortController();
    setTimeout(() => cancel.abort(new Error('stop it')), 50);
    const asked = ask({ url: server.origin + path, cancellation: cancel.signal });
    await expect(asked).rejects.toThrow('stop it');
  }
  const before = AbortSignal.abort(new Error('too late'));
  await expect(ask({ cancellation: before })).rejects.toThrow('too late');
});

test("what the receiver throws is the receiver's", async () => {
  server = await serveLocally((_request, response) => response.end('x'));
  const failing = client.exchange(request({}), async () => {
    throw new Error('disk full');
  });
  await expect(failing).rejects.toThrow('disk full');
});

test('a name is judged by the addresses that the connection is made to', async () => {
  server = await serveLocally((_request, response) => response.end('inside'));
  const { port } = server;
  const answers = [['192.0.2.1', '127.0.0.1'], ['127.0.0.1'], ['169.254.169.254']];
  let looked = 0;
  const clients = createOutboundClients({}, (_host, done) => {
    const addresses = answers[looked] ?? [];
    looked += 1;
    done(
      null,
      addresses.map((address) => ({ address, family: 4 })),
    );
  });
  const rebound = request({ url: `http://rebind.example:${port}/` });
  for (const _ of answers) {
    await expect(clients.team.exchange(rebound, async () => 'asked')).rejects.toMatchObject({
      code: 'outbound-refused',
    });
  }
  expect(server.seen).toEqual([]);
  looked = 1;
  expect(await clients.configured.exchange(rebound, async ({ status }) => status)).toBe(200);
  // One look for each connection: the address that was judged is the one that was used.
  expect(looked).toBe(2);
  await expect(clients.configured.exchange(rebound, async () => 'asked')).rejects.toMatchObject({
    message: expect.stringMatching(/never asked/),
  });
});

test.each([
  'http://127.0.0.1:1/',
  'http://2130706433:1/',
  'http://0x7f.1:1/',
  'http://[::ffff:127.0.0.1]:1/',
  'http://[::1]:1/',
  'http://169.254.169.254/latest/meta-data/',
])('an address written as %s is judged without a look-up', async (url) => {
  const clients = createOutboundClients();
  await expect(clients.team.exchange(request({ url }), async () => 0)).rejects.toMatchObject({
    code: 'outbound-refused',
  });
});

test.each([
  [{ url: 'file:///etc/passwd' }, 'http:// or https://'],
  [{ url: 'http://user:hunter2@a.example/' }, 'user or password'],
  [{ url: `http://a.example/${'x'.repeat(9000)}` }, 'http:// or https://'],
  [{ headers: { 'x-a': 'b\r\nx-c: d' } }, 'value of the header x-a'],
  [{ headers: { 'x-a\r\nx-c': 'd' } }, 'no name of a header'],
  [{ headers: { 'x-a': '☃' } }, 'value of the header x-a'],
  [{ headers: { Host: 'b.example' } }, 'host is not for a request'],
  [{ headers: { 'Transfer-Encoding': 'chunked' } }, 'transfer-encoding is not for a request'],
  [{ headers: { 'X-A': '1', 'x-a': '2' } }, 'x-a is given twice'],
])('%j is never sent', async (changed, why) => {
  server = await serveLocally((_request, response) => response.end());
  const error = await ask(changed).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toMatchObject({ code: 'outbound-invalid', message: expect.stringContaining(why) });
  expect(String(error)).not.toMatch(/hunter2|x-c: d/);
  expect(server.seen).toEqual([]);
});

function request(changed: Partial<OutboundRequest>): OutboundRequest {
  return {
    method: 'GET',
    url: `${server?.origin}/`,
    headers: {},
    timeoutMs: 5000,
    maxBytes: 1_000_000,
    cancellation: never,
    ...changed,
  };
}

function ask(changed: Partial<OutboundRequest>) {
  return client.exchange(request(changed), async ({ status, headers, body }) => {
    const chunks: Uint8Array[] = [];
    const kept = async function* () {
      for await (const chunk of body) {
        chunks.push(chunk);
        yield chunk;
      }
    };
    await drainBody(kept(), Number.MAX_SAFE_INTEGER);
    return { status, headers, text: Buffer.concat(chunks).toString('utf8') };
  });
}
