import { access, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Proxies that a stack can start. */
export type ProxyKind = 'haproxy' | 'nginx' | 'caddy';

/** Which proxy, where. */
export type ProxyPlace = {
  readonly kind: ProxyKind;
  /** Name of the backend that the routes are of. */
  readonly backend: string;
  /** The proxy's program. Absolute. */
  readonly executable: string;
  /** It takes requests there, on 127.0.0.1. */
  readonly port: number;
  /** For what belongs to the proxy alone: nginx' status, Caddy's administration; on 127.0.0.1. */
  readonly adminPort: number;
  /** Its files; made when they are not there. */
  readonly folder: string;
  /** It tells Prometheus what it counts, on the admin port; HAProxy alone. */
  readonly isMeasured?: boolean;
};

/** How a proxy is started, and what its agent must know of it. */
export type ProxySetup = {
  readonly args: readonly string[];
  /** Before each start. What the agent has written stays as it is. */
  readonly prepare: () => Promise<void>;
  /** Environment of the agent that moves its requests. */
  readonly agentEnv: Readonly<Record<string, string>>;
};

/** Waits for open requests no longer than this, and tries another server where one is gone. Seconds. */
const REQUEST_SECONDS = 30;

/** The files and settings of a proxy whose requests are moved by an agent. */
export function setUpProxy(place: ProxyPlace): ProxySetup {
  switch (place.kind) {
    case 'haproxy':
      return setUpHaproxy(place);
    case 'nginx':
      return setUpNginx(place);
    case 'caddy':
      return setUpCaddy(place);
  }
}

function setUpHaproxy(place: ProxyPlace): ProxySetup {
  const { backend, executable, port, adminPort, folder, isMeasured = false } = place;
  const [config, routes] = [join(folder, 'haproxy.cfg'), join(folder, 'routes.cfg')];
  const [socket, pidFile] = [join(folder, 'admin.sock'), join(folder, 'haproxy.pid')];
  const masterSocket = join(folder, 'master.sock');
  const text = [
    'global',
    '    maxconn 2000',
    `    stats socket ${socket} mode 600 level admin`,
    '    hard-stop-after 30s',
    'defaults',
    '    mode http',
    '    timeout connect 2s',
    `    timeout client ${REQUEST_SECONDS}s`,
    `    timeout server ${REQUEST_SECONDS}s`,
    '    retries 3',
    '    option idle-close-on-response',
    '    retry-on conn-failure empty-response',
    'frontend entry',
    `    bind 127.0.0.1:${port}`,
    `    default_backend ${backend}`,
    ...(isMeasured
      ? [
          'frontend measures',
          `    bind 127.0.0.1:${adminPort}`,
          '    http-request use-service prometheus-exporter if { path /metrics }',
        ]
      : []),
  ];
  const nowhere = ['# Until the first promotion.', `backend ${backend}`, '    mode http'];
  return {
    args: ['-W', '-S', masterSocket, '-p', pidFile, '-f', config, '-f', routes],
    prepare: () => prepare(folder, [config, text], [routes, nowhere]),
    agentEnv: toAgentEnv('haproxy', {
      ...{ BACKEND: backend, FILE: routes, CONFIG_FILES: config, SOCKET: socket },
      ...{ PID_FILE: pidFile, MASTER_SOCKET: masterSocket, BINARY: executable },
      SERVER_OPTIONS: 'check inter 500ms fall 2 rise 1',
    }),
  };
}

function setUpNginx({ backend, executable, port, adminPort, folder }: ProxyPlace): ProxySetup {
  const [config, routes] = [join(folder, 'nginx.conf'), join(folder, 'routes.conf')];
  const pidFile = join(folder, 'nginx.pid');
  const name = `sluice_${backend.replaceAll('-', '_')}`;
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `    ${kind}_temp_path "${join(folder, kind)}";`,
  );
  const text = [
    'worker_processes 2;',
    `pid "${pidFile}";`,
    'error_log stderr warn;',
    'events { worker_connections 1024; }',
    'http {',
    '    access_log off;',
    ...temporary,
    '    keepalive_requests 100000;',
    `    include "${routes}";`,
    '    server {',
    `        listen 127.0.0.1:${port};`,
    '        location / {',
    `            proxy_pass http://$${name};`,
    '            proxy_http_version 1.1;',
    '            proxy_set_header Connection "";',
    `            proxy_read_timeout ${REQUEST_SECONDS}s;`,
    `            add_header Set-Cookie $${name}_cookie;`,
    '        }',
    '    }',
    '}',
  ];
  const nowhere = [
    '# Until the first promotion.',
    `map $request_id $${name} { default 127.0.0.1:1; }`,
    `map $request_id $${name}_cookie { default ""; }`,
  ];
  return {
    args: ['-c', config, '-g', 'daemon off;'],
    prepare: () => prepare(folder, [config, text], [routes, nowhere]),
    agentEnv: toAgentEnv('nginx', {
      ...{ BACKEND: backend, FILE: routes, CONFIG_FILES: config, PID_FILE: pidFile },
      ...{ STATUS: `127.0.0.1:${adminPort}`, BINARY: executable },
    }),
  };
}

function setUpCaddy({ backend, port, adminPort, folder }: ProxyPlace): ProxySetup {
  const config = join(folder, 'caddy.json');
  const id = `sluice-${backend}`;
  const document = {
    admin: { listen: `127.0.0.1:${adminPort}`, config: { persist: false } },
    apps: {
      http: {
        servers: {
          entry: {
            listen: [`127.0.0.1:${port}`],
            automatic_https: { disable: true },
            routes: [{ handle: [{ '@id': id, handler: 'static_response', status_code: 503 }] }],
          },
        },
      },
    },
  };
  return {
    args: ['run', '--config', config],
    prepare: () => prepare(folder, [config, [JSON.stringify(document, null, 2)]]),
    agentEnv: toAgentEnv('caddy', {
      ...{ BACKEND: backend, ADMIN: `http://127.0.0.1:${adminPort}`, ID: id },
    }),
  };
}

function toAgentEnv(
  kind: ProxyKind,
  settings: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const named = Object.entries(settings).map(([name, value]) => [
    `SLUICE_AGENT_ROUTER_${name}`,
    value,
  ]);
  return { SLUICE_AGENT_ROUTER: kind, ...Object.fromEntries(named) };
}

type File = readonly [path: string, lines: readonly string[]];

/** Writes what is ours; what the agent writes is only begun. */
async function prepare(folder: string, own: File, begun?: File): Promise<void> {
  await mkdir(folder, { recursive: true });
  const write = ([path, lines]: File): Promise<void> => writeFile(path, `${lines.join('\n')}\n`);
  await write(own);
  if (begun === undefined) return;
  const isThere = await access(begun[0]).then(
    () => true,
    () => false,
  );
  if (!isThere) await write(begun);
}
