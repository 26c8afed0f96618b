import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { askHttp } from '../ask-http.ts';

type Json = Readonly<Record<string, unknown>>;

interface Dynamic {
  readonly http?: {
    readonly routers?: Readonly<Record<string, { rule: string; service: string }>>;
    readonly services?: Readonly<Record<string, Json>>;
  };
}

const POLL_MS = 50;

/**
 * As much of Traefik as its documentation says of the HTTP provider: it polls, takes weighted services and the rules
 * that Sluice writes, asks the longest rule first, and tells in `/api/rawdata` what it has. Not Traefik.
 */
export class FakeTraefik {
  readonly #endpoint: string;
  readonly #counters = new Map<string, number>();
  #dynamic: Dynamic = {};
  #timer: NodeJS.Timeout | undefined;
  #web: Server | undefined;
  #api: Server | undefined;

  constructor(endpoint: string) {
    this.#endpoint = endpoint;
  }

  async start(webPort: number, apiPort: number): Promise<void> {
    this.#dynamic = {};
    this.#web = createServer((incoming, outgoing) => {
      const url = this.#urlFor(incoming.headers, outgoing.setHeader.bind(outgoing));
      if (url === undefined) {
        outgoing.writeHead(404).end();
        return;
      }
      const asked = request(
        `${url}${incoming.url}`,
        { method: incoming.method, headers: incoming.headers, agent: false },
        (answer) => {
          const { 'x-server': server = '' } = answer.headers;
          outgoing.writeHead(answer.statusCode ?? 502, { 'x-server': server });
          answer.pipe(outgoing);
        },
      );
      asked.on('error', () => outgoing.writeHead(502).end());
      incoming.pipe(asked);
    });
    this.#api = createServer((_, outgoing) => outgoing.end(JSON.stringify(this.#rawData())));
    await listen(this.#web, webPort);
    await listen(this.#api, apiPort);
    this.#timer = setInterval(() => void this.#poll(), POLL_MS);
    await this.#poll();
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    for (const server of [this.#web, this.#api]) {
      server?.closeAllConnections();
      await new Promise((resolve) => (server === undefined ? resolve(0) : server.close(resolve)));
    }
  }

  async #poll(): Promise<void> {
    try {
      const { body } = await askHttp(this.#endpoint, {}, AbortSignal.timeout(1000));
      const parsed = JSON.parse(body) as Dynamic;
      // What names a kind that it does not know is not taken.
      if (Object.values(parsed.http?.services ?? {}).every(isKnownService)) this.#dynamic = parsed;
    } catch {
      // It keeps what it has.
    }
  }

  #urlFor(
    headers: Readonly<Record<string, unknown>>,
    setHeader: (name: string, value: string) => unknown,
  ): string | undefined {
    const { routers = {}, services = {} } = this.#dynamic.http ?? {};
    const router = Object.values(routers)
      .sort((a, b) => b.rule.length - a.rule.length)
      .find(({ rule }) => isFit(rule, headers));
    let name = router?.service ?? '';
    const { weighted } = (services[name] ?? {}) as {
      weighted?: {
        services: { name: string; weight: number }[];
        sticky?: { cookie: { name: string } };
      };
    };
    if (weighted !== undefined) {
      const cookie = weighted.sticky?.cookie.name;
      const kept = new RegExp(`(?:^|;\\s*)${cookie}=([^;]+)`).exec(String(headers['cookie'] ?? ''));
      const isKept = weighted.services.some((one) => one.name === kept?.[1]);
      name = isKept ? (kept?.[1] ?? '') : draw(weighted.services);
      if (cookie !== undefined && !isKept) setHeader('set-cookie', `${cookie}=${name}; Path=/`);
    }
    const { loadBalancer } = (services[name] ?? {}) as {
      loadBalancer?: { servers: { url: string }[] };
    };
    const servers = loadBalancer?.servers ?? [];
    const turn = this.#counters.get(name) ?? 0;
    this.#counters.set(name, turn + 1);
    return servers[turn % servers.length]?.url;
  }

  /** As Traefik tells it: names with their provider, states, and who uses what. */
  #rawData(): Json {
    const { routers = {}, services = {} } = this.#dynamic.http ?? {};
    const named = (entries: Readonly<Record<string, object>>, more: Json) =>
      Object.fromEntries(
        Object.entries(entries).map(([name, one]) => [`${name}@http`, { ...one, ...more }]),
      );
    return {
      routers: named(routers, { status: 'enabled', using: ['web'] }),
      services: named(services, { status: 'enabled', usedBy: [] }),
    };
  }
}

function isKnownService(service: Json): boolean {
  return 'weighted' in service || 'loadBalancer' in service;
}

/** `PathPrefix` of all, and the two matchers that Sluice writes beside it. */
function isFit(rule: string, headers: Readonly<Record<string, unknown>>): boolean {
  const [, conditions] = rule.split(') && (');
  if (conditions === undefined) return true;
  const matchers = [...conditions.matchAll(/(Header|HeaderRegexp)\(`([^`]+)`, `([^`]+)`\)/g)];
  return matchers.some(([, kind, name = '', value = '']) => {
    const found = headers[name.toLowerCase()];
    if (typeof found !== 'string') return false;
    return kind === 'Header' ? found === value : new RegExp(value).test(found);
  });
}

function draw(services: readonly { name: string; weight: number }[]): string {
  let left = Math.random() * services.reduce((sum, { weight }) => sum + weight, 0);
  return services.find(({ weight }) => (left -= weight) < 0)?.name ?? '';
}

async function listen(server: Server, port: number): Promise<AddressInfo> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return server.address() as AddressInfo;
}
