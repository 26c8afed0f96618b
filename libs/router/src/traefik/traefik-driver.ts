import { createServer, type Server } from 'node:http';
import { accepted, type Outcome, type RouteTable } from '@sluice/domain';
import { askHttp } from '../ask-http.ts';
import type { RouteDocument, RouteDriver, ServedRoutes } from '../route-driver.ts';
import { reasonOf } from '../router-error.ts';
import { markOfRawData, renderTraefik, traefikMark } from './traefik-document.ts';

/** Where Traefik is, and where it comes to ask. */
export interface TraefikSettings {
  /** The backend that Sluice writes. */
  readonly backend: string;
  /** Where the HTTP provider is served: `providers.http.endpoint` is `http://<host>:<port>/`. */
  readonly provider: { readonly host: string; readonly port: number };
  /** Traefik's API, where it is looked at whether it does as told: `http://127.0.0.1:8080`. */
  readonly api: string;
  /** Which requests are the backend's: ``Host(`shop.example.org`)``. */
  readonly rule: string;
  /** `["web"]`. */
  readonly entryPoints: readonly string[];
}

const EMPTY = '{"http":{}}';

/**
 * Traefik's HTTP provider: Traefik comes and asks, every five seconds unless it is told otherwise, and keeps what it has
 * while nobody answers. What it made of it is read from its API.
 */
export class TraefikDriver implements RouteDriver {
  readonly kind = 'traefik';
  readonly label: string;
  readonly #settings: TraefikSettings;
  #text: string | null = null;
  #server: Server | undefined;

  constructor(settings: TraefikSettings) {
    this.#settings = settings;
    this.label = `Traefik at ${settings.api}`;
  }

  render(table: RouteTable): string {
    return renderTraefik(table, this.#settings);
  }

  markOf(table: RouteTable): string {
    return traefikMark(table, this.#settings);
  }

  /** Traefik deals by weight, in turn: the share is what the table says. */
  effectivePermille(table: RouteTable): number {
    return table.canaryPermille;
  }

  async readText(): Promise<string | null> {
    return this.#text;
  }

  async readServed(_: RouteTable | null, signal: AbortSignal): Promise<ServedRoutes> {
    const { api, backend } = this.#settings;
    try {
      const { status, body } = await askHttp(new URL('/api/rawdata', api).href, {}, signal);
      if (status !== 200) throw new Error(`it answered ${status}`);
      return { up: true, mark: markOfRawData(JSON.parse(body), backend) };
    } catch (error) {
      return {
        up: false,
        why: `${this.label} does not tell what it does (${reasonOf(error)}); start it with its API.`,
      };
    }
  }

  /** Traefik has no trial; what it does not take it says in its API, and the old is put back. */
  async check(): Promise<Outcome<true>> {
    return accepted(true);
  }

  async put(next: RouteDocument): Promise<void> {
    this.#text = next.text;
  }

  async isDrained(): Promise<null> {
    return null;
  }

  async open(current: RouteDocument): Promise<void> {
    this.#text = current.text;
    const { host, port } = this.#settings.provider;
    const server = createServer((request, response) => {
      const isRead = request.method === 'GET' || request.method === 'HEAD';
      response.writeHead(isRead ? 200 : 405, { 'content-type': 'application/json' });
      response.end(isRead ? (this.#text ?? EMPTY) : undefined);
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, host, resolve);
    });
    this.#server = server;
  }

  async close(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    await new Promise((resolve) => {
      server.close(resolve);
      server.closeAllConnections();
    });
  }
}
