import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { readProviderFile } from './provider-file.ts';

const folder = await mkdtemp(join(tmpdir(), 'sluice-providers-'));
afterAll(() => rm(folder, { recursive: true }));
const path = join(folder, 'providers.yaml');

async function read(members: string) {
  await writeFile(path, `schema: sluice.analysis-providers/v1\ntenants:\n  acme:\n${members}`);
  return readProviderFile(path);
}

test('providers belong to tenants; secrets are named', async () => {
  const providers = await read(`
    prom: {kind: prometheus, url: "http://127.0.0.1:9090", timeoutSeconds: 5}
    shop: {kind: sql, url: {secret: shop-database}}
    sales: {kind: http, url: "https://sales.example/m", bearer: sales.token}
`);
  expect(providers.list('acme')).toEqual(['prom', 'sales', 'shop']);
  expect(providers.needSecrets).toBe(true);
  expect(providers.find('acme', 'prom')).toEqual({
    kind: 'prometheus',
    url: 'http://127.0.0.1:9090',
    timeoutSeconds: 5,
  });
  expect(providers.find('acme', 'shop')).toMatchObject({ url: { secret: 'shop-database' } });
  expect(providers.find('acme', 'sales')).toMatchObject({ bearer: 'sales.token' });
  expect(providers.find('other', 'prom')).toBeUndefined();
  expect(providers.find('acme', 'constructor')).toBeUndefined();
});

test('every problem is one line with its place, and none holds a password', async () => {
  const wrong = read(`
    probes: {kind: prometheus, url: "http://x"}
    one: {kind: graphite, url: "http://x"}
    two: {kind: sql, url: "postgres://shop:hunter2@db/shop"}
    three: {kind: http, url: "ftp://x", timeoutSeconds: 61, token: x}
    four: [1]
`);
  const error = await wrong.then(
    () => undefined,
    (thrown: { readonly problems: readonly string[] }) => thrown,
  );
  expect(error?.problems.map((line) => line.slice(path.length + 2).split(' ')[0])).toEqual([
    'tenants.acme.probes',
    'tenants.acme.one.kind',
    'tenants.acme.two.url',
    'tenants.acme.three',
    'tenants.acme.three.url',
    'tenants.acme.three.timeoutSeconds',
    'tenants.acme.four',
  ]);
  expect(error?.problems.join()).not.toContain('hunter2');
});
