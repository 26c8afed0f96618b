import { expect, test } from '@jest/globals';
import { readAgentSettings } from './agent-settings.ts';

const AGENT = {
  SLUICE_AGENT_CONTROL_PLANE: 'http://127.0.0.1:8080',
  SLUICE_AGENT_STATE_DIR: '/var/lib/sluice-agent',
};

function read(env: Readonly<Record<string, string>>) {
  const named = Object.entries(env).map(([name, value]) => [`SLUICE_AGENT_ROUTER${name}`, value]);
  return readAgentSettings({ ...AGENT, ...Object.fromEntries(named) });
}

function problemsOf(env: Readonly<Record<string, string>>): readonly string[] {
  const outcome = read(env);
  return outcome.ok ? [] : outcome.problems;
}

const HAPROXY = {
  '': 'haproxy',
  _BACKEND: 'shop',
  _FILE: '/etc/haproxy/sluice.cfg',
  _CONFIG_FILES: '/etc/haproxy/haproxy.cfg:/etc/haproxy/more.cfg',
  _SOCKET: '/run/haproxy/admin.sock',
  _PID_FILE: '/run/haproxy.pid',
};

test('an agent is no router until it is told of a proxy', () => {
  expect(read({})).toMatchObject({ ok: true, settings: { router: undefined } });
});

test.each([
  [
    HAPROXY,
    {
      kind: 'haproxy',
      backend: 'shop',
      file: '/etc/haproxy/sluice.cfg',
      configFiles: ['/etc/haproxy/haproxy.cfg', '/etc/haproxy/more.cfg'],
      socket: '/run/haproxy/admin.sock',
      reload: { pidFile: '/run/haproxy.pid' },
    },
  ],
  [
    {
      '': 'nginx',
      _BACKEND: 'shop',
      _FILE: '/etc/nginx/sluice.conf',
      _CONFIG_FILES: '/etc/nginx/nginx.conf',
      _PID_FILE: '/run/nginx.pid',
      _STATUS: '127.0.0.1:9180',
      _RELOAD: '["systemctl", "reload", "nginx"]',
      _LINES: '["keepalive 16;"]',
    },
    {
      kind: 'nginx',
      backend: 'shop',
      file: '/etc/nginx/sluice.conf',
      configFile: '/etc/nginx/nginx.conf',
      pidFile: '/run/nginx.pid',
      status: '127.0.0.1:9180',
      reload: { command: ['systemctl', 'reload', 'nginx'] },
      lines: ['keepalive 16;'],
    },
  ],
  [
    { '': 'caddy', _BACKEND: 'shop', _ADMIN: 'http://127.0.0.1:2019', _ID: 'sluice' },
    { kind: 'caddy', backend: 'shop', admin: 'http://127.0.0.1:2019', id: 'sluice' },
  ],
  [
    {
      '': 'traefik',
      _BACKEND: 'shop',
      _PROVIDER: '127.0.0.1:9190',
      _API: 'http://127.0.0.1:8080',
      _RULE: 'Host(`shop.example.org`)',
      _ENTRY_POINTS: 'web,websecure',
    },
    {
      kind: 'traefik',
      backend: 'shop',
      provider: { host: '127.0.0.1', port: 9190 },
      api: 'http://127.0.0.1:8080',
      rule: 'Host(`shop.example.org`)',
      entryPoints: ['web', 'websecure'],
    },
  ],
])('the settings of a router are read: %j', (env, router) => {
  expect(read(env as Record<string, string>)).toMatchObject({ ok: true, settings: { router } });
});

test('each wrong setting is one line that says what to give', () => {
  expect(problemsOf({ '': 'envoy' })).toEqual([
    'SLUICE_AGENT_ROUTER is "envoy": give one of haproxy, nginx, caddy, traefik.',
  ]);
  expect(problemsOf({ ...HAPROXY, _SOCKET: 'admin.sock' })).toEqual([
    'SLUICE_AGENT_ROUTER_SOCKET is "admin.sock": give an absolute path: /run/haproxy/admin.sock.',
  ]);
  expect(problemsOf({ ...HAPROXY, _RELOAD: '["true"]' })).toEqual([
    expect.stringContaining('give exactly one of SLUICE_AGENT_ROUTER_PID_FILE'),
  ]);
  expect(problemsOf({ ...HAPROXY, _LINES: 'option x' })).toEqual([
    'SLUICE_AGENT_ROUTER_LINES is "option x": give a JSON array of texts.',
  ]);
  expect(problemsOf({ ...HAPROXY, _ADMIN: 'http://127.0.0.1:2019' })).toEqual([
    'SLUICE_AGENT_ROUTER_ADMIN says nothing to haproxy: unset it.',
  ]);
  expect(problemsOf({ '': 'caddy', _BACKEND: 'a b', _ADMIN: 'local', _ID: '1' })).toHaveLength(3);
  expect(problemsOf({ '': 'traefik', _BACKEND: 'shop', _PROVIDER: '127.0.0.1:0' })).toHaveLength(4);
});
