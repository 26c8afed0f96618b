import { isName, ROUTER_KINDS, type RouterKind } from '@sluice/domain';
import type { RouterSettings } from '@sluice/router';

/** Names that the settings of a router have in the agent's JSON file, and the variable that wins over each. */
export const ROUTER_NAMES = {
  router: 'SLUICE_AGENT_ROUTER',
  routerBackend: 'SLUICE_AGENT_ROUTER_BACKEND',
  routerFile: 'SLUICE_AGENT_ROUTER_FILE',
  routerConfigFiles: 'SLUICE_AGENT_ROUTER_CONFIG_FILES',
  routerSocket: 'SLUICE_AGENT_ROUTER_SOCKET',
  routerMasterSocket: 'SLUICE_AGENT_ROUTER_MASTER_SOCKET',
  routerPidFile: 'SLUICE_AGENT_ROUTER_PID_FILE',
  routerReload: 'SLUICE_AGENT_ROUTER_RELOAD',
  routerBinary: 'SLUICE_AGENT_ROUTER_BINARY',
  routerBinaryArguments: 'SLUICE_AGENT_ROUTER_BINARY_ARGUMENTS',
  routerServerOptions: 'SLUICE_AGENT_ROUTER_SERVER_OPTIONS',
  routerLines: 'SLUICE_AGENT_ROUTER_LINES',
  routerStatus: 'SLUICE_AGENT_ROUTER_STATUS',
  routerAdmin: 'SLUICE_AGENT_ROUTER_ADMIN',
  routerId: 'SLUICE_AGENT_ROUTER_ID',
  routerProvider: 'SLUICE_AGENT_ROUTER_PROVIDER',
  routerApi: 'SLUICE_AGENT_ROUTER_API',
  routerRule: 'SLUICE_AGENT_ROUTER_RULE',
  routerEntryPoints: 'SLUICE_AGENT_ROUTER_ENTRY_POINTS',
} as const;

type RouterName = keyof typeof ROUTER_NAMES;

/** What each kind has to be told, and what it can be. */
const OF_KIND: Readonly<Record<RouterKind, readonly RouterName[]>> = {
  haproxy: [
    'routerFile',
    'routerConfigFiles',
    'routerSocket',
    'routerMasterSocket',
    'routerPidFile',
    'routerReload',
    'routerBinary',
    'routerServerOptions',
    'routerLines',
  ],
  nginx: [
    'routerFile',
    'routerConfigFiles',
    'routerPidFile',
    'routerStatus',
    'routerReload',
    'routerBinary',
    'routerBinaryArguments',
    'routerLines',
  ],
  caddy: ['routerAdmin', 'routerId'],
  traefik: ['routerProvider', 'routerApi', 'routerRule', 'routerEntryPoints'],
};

/**
 * The proxy that this host's agent tells where requests go: settings of the host alone, nothing of which comes from the control plane. Undefined where
 * it is no router, and where there are problems, one line each.
 */
export function readRouterSettings(
  read: (name: RouterName) => string | undefined,
  problems: string[],
): RouterSettings | undefined {
  const kind = read('router');
  if (kind === undefined) return undefined;
  if (!isRouterKind(kind)) {
    problems.push(`${ROUTER_NAMES.router} is "${kind}": give one of ${ROUTER_KINDS.join(', ')}.`);
    return undefined;
  }
  const before = problems.length;
  for (const name of Object.keys(ROUTER_NAMES) as RouterName[]) {
    const isKnown = ['router', 'routerBackend', ...OF_KIND[kind]].includes(name);
    if (!isKnown && read(name) !== undefined) {
      problems.push(`${ROUTER_NAMES[name]} says nothing to ${kind}: unset it.`);
    }
  }
  const settings = settingsOf(kind, new Reader(read, problems));
  return problems.length === before ? settings : undefined;
}

function settingsOf(kind: RouterKind, reader: Reader): RouterSettings {
  const backend = reader.text('routerBackend', isName, "the name of the proxy's backend: shop");
  switch (kind) {
    case 'haproxy':
      return {
        kind,
        backend,
        file: reader.path('routerFile', '/etc/haproxy/sluice.cfg'),
        configFiles: reader.paths('routerConfigFiles', '/etc/haproxy/haproxy.cfg'),
        socket: reader.path('routerSocket', '/run/haproxy/admin.sock'),
        reload: reader.reload('/run/haproxy.pid') ?? { pidFile: '' },
        ...reader.maybe('masterSocket', 'routerMasterSocket'),
        ...reader.maybe('binary', 'routerBinary'),
        ...reader.maybe('serverOptions', 'routerServerOptions'),
        ...reader.lines(),
      };
    case 'nginx': {
      const command = reader.command('routerReload');
      return {
        kind,
        backend,
        file: reader.path('routerFile', '/etc/nginx/sluice.conf'),
        configFile: reader.path('routerConfigFiles', '/etc/nginx/nginx.conf'),
        pidFile: reader.path('routerPidFile', '/run/nginx.pid'),
        status: reader.text('routerStatus', isHostAndPort, 'host and port: 127.0.0.1:9180'),
        ...(command === undefined ? {} : { reload: { command } }),
        ...reader.maybe('binary', 'routerBinary'),
        ...reader.list('binaryArguments', 'routerBinaryArguments'),
        ...reader.lines(),
      };
    }
    case 'caddy':
      return {
        kind,
        backend,
        admin: reader.text('routerAdmin', isHttpUrl, 'a URL: http://127.0.0.1:2019'),
        id: reader.text('routerId', isId, 'the @id of the handler: sluice'),
      };
    case 'traefik': {
      const text = reader.text(
        'routerProvider',
        isHostAndPort,
        'host and port to serve the HTTP provider at: 127.0.0.1:9190',
      );
      const colon = text.lastIndexOf(':');
      return {
        kind,
        backend,
        provider: { host: text.slice(0, colon), port: Number(text.slice(colon + 1)) },
        api: reader.text('routerApi', isHttpUrl, "the URL of Traefik's API: http://127.0.0.1:8080"),
        rule: reader.text('routerRule', isLine, 'which requests are its: Host(`shop.example.org`)'),
        entryPoints: reader
          .text('routerEntryPoints', isLine, 'names of entry points, with commas: web')
          .split(','),
      };
    }
  }
}

/** Reads one setting after the other; each that is wrong is one line. */
class Reader {
  readonly #read: (name: RouterName) => string | undefined;
  readonly #problems: string[];

  constructor(read: (name: RouterName) => string | undefined, problems: string[]) {
    this.#read = read;
    this.#problems = problems;
  }

  /** @param wanted completes "give …" */
  text(name: RouterName, isGood: (text: string) => boolean, wanted: string): string {
    const text = this.#read(name) ?? '';
    if (!isGood(text)) this.#refuse(name, text, wanted);
    return text;
  }

  path(name: RouterName, example: string): string {
    return this.text(name, isPath, `an absolute path: ${example}`);
  }

  paths(name: RouterName, example: string): readonly string[] {
    const text = this.#read(name) ?? '';
    const paths = text.split(':');
    if (!paths.every(isPath)) this.#refuse(name, text, `absolute paths, with colons: ${example}`);
    return paths;
  }

  maybe<Key extends string>(key: Key, name: RouterName): Partial<Record<Key, string>> {
    const text = this.#read(name);
    return text === undefined ? {} : ({ [key]: text } as Record<Key, string>);
  }

  list<Key extends string>(key: Key, name: RouterName): Partial<Record<Key, readonly string[]>> {
    const items = this.#listOf(name);
    return items === undefined ? {} : ({ [key]: items } as Record<Key, readonly string[]>);
  }

  lines(): { readonly lines?: readonly string[] } {
    return this.list('lines', 'routerLines');
  }

  /** A pid file or a command, exactly one. */
  reload(
    example: string,
  ):
    | { readonly pidFile: string }
    | { readonly command: readonly [string, ...string[]] }
    | undefined {
    const command = this.command('routerReload');
    const pidFile = this.#read('routerPidFile');
    if (command !== undefined && pidFile === undefined) return { command };
    if (command === undefined && pidFile !== undefined && isPath(pidFile)) return { pidFile };
    const both = `${ROUTER_NAMES.routerPidFile} (an absolute path: ${example}) or ${ROUTER_NAMES.routerReload} (a command: ["systemctl", "reload", "haproxy"])`;
    this.#problems.push(`A router reloads its proxy: give exactly one of ${both}.`);
    return undefined;
  }

  command(name: RouterName): readonly [string, ...string[]] | undefined {
    const [program, ...rest] = this.#listOf(name) ?? [];
    return program === undefined ? undefined : [program, ...rest];
  }

  #listOf(name: RouterName): readonly string[] | undefined {
    const text = this.#read(name);
    if (text === undefined) return undefined;
    try {
      const items: unknown = JSON.parse(text);
      const isList =
        Array.isArray(items) && items.length > 0 && items.every((item) => typeof item === 'string');
      if (isList) return items as readonly string[];
    } catch {
      // Told below, as a list of something else is.
    }
    this.#refuse(name, text, 'a JSON array of texts');
    return undefined;
  }

  #refuse(name: RouterName, text: string, wanted: string): void {
    this.#problems.push(`${ROUTER_NAMES[name]} is "${text}": give ${wanted}.`);
  }
}

function isRouterKind(text: string): text is RouterKind {
  return (ROUTER_KINDS as readonly string[]).includes(text);
}

function isPath(text: string): boolean {
  return text.startsWith('/') && isLine(text);
}

function isLine(text: string): boolean {
  return text.length > 0 && text.length <= 4096 && !/[\n\r\0]/.test(text);
}

function isId(text: string): boolean {
  return /^[A-Za-z][A-Za-z0-9_-]{0,63}$/.test(text);
}

function isHostAndPort(text: string): boolean {
  const [, port] = /^[A-Za-z0-9.[\]:-]+:(\d{1,5})$/.exec(text) ?? [];
  return port !== undefined && Number(port) > 0 && Number(port) <= 65_535;
}

function isHttpUrl(text: string): boolean {
  return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol);
}
