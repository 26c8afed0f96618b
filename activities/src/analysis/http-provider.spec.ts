import { afterEach, expect, test } from '@jest/globals';
import { createOutboundClients } from '../outbound/outbound-clients.ts';
import { type LocalServer, serveLocally } from '../outbound/testing/local-server.ts';
import type { SecretSource } from '../secrets/secret-source.ts';
import type { ProviderQuery } from './analysis-provider.ts';
import { createHttpProvider } from './http-provider.ts';
import { accessOf } from './provider-access.ts';

const FROM = Date.parse('2026-11-22T10:00:00Z');
const secrets: SecretSource = { read: async (_reader, name) => `value of ${name}\n` };
let server: LocalServer | undefined;
afterEach(() => server?.close());

async function ask(answer: unknown, changed: Partial<ProviderQuery> = {}, status = 200) {
  server = await serveLocally((_request, response) => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(typeof answer === 'string' ? answer : JSON.stringify(answer));
  });
  const provider = createHttpProvider(
    createOutboundClients().configured,
    accessOf(
      { kind: 'http', url: `${server.origin}/api/`, bearer: 'shop.token', timeoutSeconds: 1 },
      secrets,
    ),
  );
  return provider.query(
    {
      query: '/errors?t={{targets}}&s={{side}}',
      pointer: '/data/errors',
      side: 'canary',
      targets: ['web-1', 'web-2'],
      from: FROM,
      to: FROM + 15_000,
      stepSeconds: 5,
      maxPoints: 4,
      ...changed,
    },
    {
      tenantId: 'acme',
      environment: 'dev',
      promotionId: 'dev/1',
      releaseDigest: '',
      cancellation: new AbortController().signal,
    },
  );
}

test('a list of numbers is one a step; a secret goes along', async () => {
  expect(await ask({ data: { errors: [0.1, null, 0.3] } })).toEqual([
    [5, 0.1],
    [10, null],
    [15, 0.3],
  ]);
  expect(server?.seen[0]?.url).toBe('/api/errors?t=web-1,web-2&s=canary');
  expect(server?.seen[0]?.headers.authorization).toBe('Bearer value of shop.token');
});

test('points say when they were measured, and those of another time are left out', async () => {
  const at = '2026-11-22T10:00:07.5Z';
  const errors = [
    { at: FROM / 1000 + 3, value: 2 },
    { at, value: 1 },
    { at: '2026-11-22T09:00:00Z', value: 9 },
  ];
  expect(await ask({ data: { errors } })).toEqual([
    [3, 2],
    [7.5, 1],
  ]);
});

test.each([
  ['no JSON', '<html>', 200, {}, 'analysis-answer-wrong'],
  ['no list there', { data: {} }, 200, {}, 'analysis-answer-wrong'],
  ['texts', { data: { errors: ['1'] } }, 200, {}, 'analysis-answer-wrong'],
  ['too many', { data: { errors: [1, 2, 3, 4, 5] } }, 200, {}, 'analysis-points-many'],
  ['a refusal', {}, 404, {}, 'analysis-query-refused'],
  ['trouble of its own', {}, 503, {}, 'analysis-provider-down'],
  ['another host', {}, 200, { query: '@other.example/' }, 'analysis-answer-wrong'],
])('%s is no samples', async (_what, answer, status, changed, code) => {
  await expect(ask(answer, changed as never, status as number)).rejects.toMatchObject({ code });
});
