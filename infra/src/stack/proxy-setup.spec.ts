import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type ProxyKind, setUpProxy } from './proxy-setup.ts';

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice proxy '));
});

afterAll(() => rm(folder, { recursive: true }));

function setUp(kind: ProxyKind) {
  const place = { kind, backend: 'web-shop', executable: `/usr/sbin/${kind}`, port: 8080 };
  return setUpProxy({ ...place, adminPort: 8081, folder: join(folder, kind) });
}

describe('the files of a proxy', () => {
  test.each([
    ['haproxy', 'haproxy.cfg', 'routes.cfg', 'default_backend web-shop', 'backend web-shop'],
    ['nginx', 'nginx.conf', 'routes.conf', 'proxy_pass http://$sluice_web_shop;', '127.0.0.1:1'],
  ] as const)(
    'of %s: what an agent wrote stays at the next start',
    async (kind, config, routes, own, begun) => {
      const { prepare, args, agentEnv } = setUp(kind);
      await prepare();
      const at = (file: string): string => join(folder, kind, file);
      expect(await readFile(at(config), 'utf8')).toContain(own);
      expect(await readFile(at(config), 'utf8')).toContain('127.0.0.1:8080');
      expect(await readFile(at(routes), 'utf8')).toContain(begun);
      await writeFile(at(routes), 'of the agent');
      await prepare();
      expect(await readFile(at(routes), 'utf8')).toBe('of the agent');
      expect(args).toContain(at(config));
      expect(agentEnv).toMatchObject({
        SLUICE_AGENT_ROUTER: kind,
        SLUICE_AGENT_ROUTER_BACKEND: 'web-shop',
        SLUICE_AGENT_ROUTER_FILE: at(routes),
        SLUICE_AGENT_ROUTER_CONFIG_FILES: at(config),
      });
    },
  );

  test('of Caddy: one handler has the agent’s id', async () => {
    const { prepare, agentEnv } = setUp('caddy');
    await prepare();
    const text = await readFile(join(folder, 'caddy', 'caddy.json'), 'utf8');
    expect(text).toContain('"@id": "sluice-web-shop"');
    expect(agentEnv).toEqual({
      SLUICE_AGENT_ROUTER: 'caddy',
      SLUICE_AGENT_ROUTER_BACKEND: 'web-shop',
      SLUICE_AGENT_ROUTER_ADMIN: 'http://127.0.0.1:8081',
      SLUICE_AGENT_ROUTER_ID: 'sluice-web-shop',
    });
  });
});
