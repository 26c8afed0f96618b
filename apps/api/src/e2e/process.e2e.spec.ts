import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { parseCodecKeys } from '@sluice/temporal-client';
import { createTemporalEngine } from '../engine/temporal-engine.ts';
import { startTestApi, type TestApi } from '../testing/test-api.ts';

let api: TestApi;
const missing = new Set<string>();

beforeAll(async () => {
  const check = (name: string) => ({
    name,
    check: async () => {
      if (missing.has(name)) throw new Error(`${name} is not there`);
    },
  });
  const hanging = {
    name: 'hanging',
    check: () => (missing.has('hanging') ? new Promise<void>(() => undefined) : Promise.resolve()),
  };
  api = await startTestApi({
    readinessChecks: [check('postgres'), check('temporal'), check('trust-root'), hanging],
  });
});

afterAll(async () => {
  await api?.stop();
});

test('healthz answers as long as the process does; readyz names what is missing', async () => {
  expect((await fetch(`${api.url}/healthz`)).status).toBe(200);
  const ready = await fetch(`${api.url}/readyz`);
  expect([ready.status, await ready.json()]).toEqual([200, { ready: true, missing: [] }]);
  missing.add('temporal').add('hanging');
  const not = await fetch(`${api.url}/readyz`);
  expect([not.status, await not.json()]).toEqual([
    503,
    { ready: false, missing: ['hanging', 'temporal'] },
  ]);
  expect((await fetch(`${api.url}/healthz`)).status).toBe(200);
  missing.clear();
});

test('an engine that is not there is told as such', async () => {
  const codecKeys = parseCodecKeys({ tenants: {} });
  const engine = createTemporalEngine({ address: '127.0.0.1:1', namespace: 'sluice', codecKeys });
  await expect(engine.check()).rejects.toThrow('127.0.0.1:1');
  await engine.close();
});

test('metrics are Prometheus text with closed label sets', async () => {
  await fetch(`${api.url}/anything/${'x'.repeat(100)}`);
  await api.ask('{ viewer { name } }');
  const text = await (await fetch(`${api.url}/metrics`)).text();
  expect(text).toMatch(/sluice_http_request_seconds_count\{[^}]*route="\/graphql"[^}]*\} \d+/);
  expect(text).toContain('route="other"');
  expect(text).not.toContain('xxxx');
});

test('a trace is continued or begun, answered as a header, and carried by the log', async () => {
  const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
  const mine = await api.ask('{ viewer { name } }', {}, undefined, {
    traceparent: `00-${traceId}-00f067aa0ba902b7-01`,
  });
  expect(mine.headers.get('traceparent')).toMatch(new RegExp(`^00-${traceId}-[0-9a-f]{16}-01$`));
  expect(mine.headers.get('traceparent')).not.toContain('00f067aa0ba902b7');
  expect(api.logged.some((line) => line.includes(traceId))).toBe(true);
  for (const traceparent of ['rubbish', `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`]) {
    const fresh = await api.ask('{ viewer { name } }', {}, undefined, { traceparent });
    expect(fresh.headers.get('traceparent')).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
  }
});

test('no answer sets a cookie, names the framework or opens itself to other origins', async () => {
  for (const path of ['/graphql', '/explorer/', '/healthz', '/agent/v1/heartbeat']) {
    const { headers } = await fetch(`${api.url}${path}`, {
      headers: { origin: 'https://evil.example' },
    });
    expect(headers.get('set-cookie')).toBeNull();
    expect(headers.get('x-powered-by')).toBeNull();
    expect(headers.get('access-control-allow-origin')).toBeNull();
    expect(headers.get('content-security-policy')).not.toBeNull();
    expect(headers.get('x-content-type-options')).toBe('nosniff');
  }
});

test('the explorer and everything its page asks for come from here', async () => {
  const redirect = await fetch(`${api.url}/explorer`, { redirect: 'manual' });
  expect([redirect.status, redirect.headers.get('location')]).toEqual([308, '/explorer/']);
  const page = await fetch(`${api.url}/explorer/`);
  const html = await page.text();
  expect(page.headers.get('content-security-policy')).toContain("script-src 'self'");
  expect(html).toContain('<base href="/explorer/"');
  expect(html).not.toMatch(/(?:src|href)="(?:https?:)?\/\//);
  const parts = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1] ?? '');
  expect(parts.length).toBeGreaterThan(5);
  for (const part of parts.filter((path) => path !== '/explorer/')) {
    const found = await fetch(new URL(part, `${api.url}/explorer/`));
    expect([part, found.status]).toEqual([part, 200]);
    await found.arrayBuffer();
  }
  // No inline script: the policy would keep it from running.
  expect(html).not.toMatch(/<script(?![^>]*\bsrc=)[^>]*>\s*\S/);
  expect((await fetch(`${api.url}/explorer/..%2f..%2fpackage.json`)).status).toBeGreaterThanOrEqual(
    400,
  );
});
