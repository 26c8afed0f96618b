import { accepted, type Outcome, type RouteTable } from '@sluice/domain';
import { canonicalJson } from '@sluice/pure';
import { askHttp, type HttpAnswer } from '../ask-http.ts';
import { endpointOf, lastLines, listLosers, shortMark } from '../marks.ts';
import type { RouteDocument, RouteDriver, ServedRoutes } from '../route-driver.ts';
import { orDown, RouterError, reasonOf } from '../router-error.ts';
import { caddyPermille, findCaddyMark, renderCaddy } from './caddy-document.ts';

/** Where Caddy is on this host. */
export interface CaddySettings {
  /** The backend that Sluice writes. */
  readonly backend: string;
  /** `http://127.0.0.1:2019`. */
  readonly admin: string;
  /** The `@id` of the handler that is Sluice's: a letter, then letters, digits, `_` and `-`. */
  readonly id: string;
}

/**
 * Caddy over its admin API. The handler is replaced in one step, and only when it is the one that was looked at; Caddy
 * itself keeps its configuration when it does not take the new one. What it runs is what it tells, so there is no file.
 */
export class CaddyDriver implements RouteDriver {
  readonly kind = 'caddy';
  readonly label: string;
  readonly #settings: CaddySettings;

  constructor(settings: CaddySettings) {
    this.#settings = settings;
    this.label = `Caddy at ${settings.admin}`;
  }

  render(table: RouteTable): string {
    return renderCaddy(table, this.#settings.id);
  }

  markOf(table: RouteTable): string {
    return shortMark(table);
  }

  effectivePermille(table: RouteTable): number {
    return caddyPermille(table.canaryPermille);
  }

  async readText(signal: AbortSignal): Promise<string | null> {
    return (await this.#get(signal)).text;
  }

  async readServed(_: RouteTable | null, signal: AbortSignal): Promise<ServedRoutes> {
    try {
      const { text } = await this.#get(signal);
      return { up: true, mark: findCaddyMark(JSON.parse(text)) };
    } catch (error) {
      return { up: false, why: reasonOf(error) };
    }
  }

  /** Caddy has no trial; it keeps what it has when it does not take what it is given. */
  async check(): Promise<Outcome<true>> {
    return accepted(true);
  }

  async put(next: RouteDocument, before: RouteDocument, signal: AbortSignal): Promise<void> {
    const { text, etag } = await this.#get(signal);
    if (next.text === null) throw new Error('Caddy has no handler of nothing.');
    if (text === next.text) return;
    if (text !== before.text) {
      throw new RouterError('route-foreign', `${this.label} was changed by someone else just now.`);
    }
    const { status, body } = await orDown(this.#silent, () =>
      askHttp(
        this.#url,
        {
          method: 'PATCH',
          headers: {
            'content-type': 'application/json',
            ...(etag === '' ? {} : { 'if-match': etag }),
          },
          body: next.text ?? '',
        },
        signal,
      ),
    );
    if (status === 200) return;
    if (status === 412) {
      throw new RouterError('route-foreign', `${this.label} was changed by someone else just now.`);
    }
    throw new RouterError(
      'route-invalid',
      `Caddy does not take it (${status}): ${lastLines(body)}`,
    );
  }

  /** It tells of servers that have a route; of one that has none any more it does not. */
  async isDrained(
    next: RouteTable,
    before: RouteTable,
    signal: AbortSignal,
  ): Promise<boolean | null> {
    const losers = new Set(listLosers(next, before));
    if (losers.size === 0) return true;
    const { pools } = before;
    const endpoints = new Set(
      [...pools.stable, ...pools.canary].filter(({ name }) => losers.has(name)).map(endpointOf),
    );
    const url = new URL('/reverse_proxy/upstreams', this.#settings.admin).href;
    const { status, body } = await askHttp(url, {}, signal);
    if (status !== 200) return null;
    const upstreams = JSON.parse(body) as readonly { address: string; num_requests: number }[];
    return upstreams.some((one) => endpoints.has(one.address) && one.num_requests > 0)
      ? false
      : null;
  }

  async #get(signal: AbortSignal): Promise<{ text: string; etag: string }> {
    const answer: HttpAnswer = await orDown(this.#silent, () => askHttp(this.#url, {}, signal));
    const { status, headers, body } = answer;
    if (status !== 200) {
      throw new RouterError(
        'router-down',
        `${this.label} has no handler with the @id "${this.#settings.id}" (${status}); give one of its routes {"@id": "${this.#settings.id}", "handler": "subroute", "routes": […]}.`,
      );
    }
    const text = await orDown(`${this.label} did not answer with JSON`, async () =>
      canonicalJson(JSON.parse(body)),
    );
    return { text, etag: String(headers['etag'] ?? '') };
  }

  get #url(): string {
    return new URL(`/id/${this.#settings.id}`, this.#settings.admin).href;
  }

  get #silent(): string {
    return `${this.label} does not answer on its admin API; start it`;
  }
}
