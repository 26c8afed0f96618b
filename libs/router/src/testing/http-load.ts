import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

const REQUEST_TIMEOUT_MS = 15_000;

/** Clients of a load during an action that keep their connection, and those that make a new one each time. */
export const KEPT_CONNECTIONS = 6;
const FRESH_CLIENTS = 2;
const PAUSE_MS = 2;

/** One answer that came through a proxy. */
export interface LoadAnswer {
  readonly status: number;
  /** The sample server that gave it; empty when the proxy itself did. */
  readonly server: string;
  readonly setCookie: string;
}

/** What a load saw. */
export interface LoadResult {
  readonly requests: number;
  readonly byServer: Readonly<Record<string, number>>;
  /** Requests without a good answer, by what came instead. */
  readonly lost: Readonly<Record<string, number>>;
  /**
   * Requests that were sent again: the connection had been used before and was closed without a byte of an answer. RFC
   * 9112, 9.3.1: a server may close an idle connection at any time, so a client sends again.
   */
  readonly resent: number;
}

/** A request through a proxy; rejects when there is no answer. */
export function askThrough(
  port: number,
  options: {
    readonly path?: string;
    readonly headers?: Readonly<Record<string, string>>;
    readonly agent?: Agent;
  } = {},
): Promise<LoadAnswer> {
  const { path = '/', headers = {}, agent } = options;
  return new Promise((resolve, reject) => {
    const asked = request(
      {
        host: '127.0.0.1',
        port,
        path,
        headers,
        agent: agent ?? false,
        timeout: REQUEST_TIMEOUT_MS,
      },
      (response) => {
        response.on('error', reject);
        response.on('end', () => {
          resolve({
            status: response.statusCode ?? 0,
            server: String(response.headers['x-server'] ?? ''),
            setCookie: response.headers['set-cookie']?.join('; ') ?? '',
          });
        });
        response.resume();
      },
    );
    asked.on('timeout', () => asked.destroy(new Error('timeout')));
    asked.on('error', (error: NodeJS.ErrnoException) => {
      const isIdleClose = asked.reusedSocket && ['ECONNRESET', 'EPIPE'].includes(error.code ?? '');
      reject(isIdleClose ? Object.assign(error, { mayResend: true }) : error);
    });
    asked.end();
  });
}

/** Clients that ask one after the other, each over a connection that it keeps or over a new one each time. */
export class HttpLoad {
  readonly #byServer: Record<string, number> = {};
  readonly #lost: Record<string, number> = {};
  readonly #port: number;
  readonly #headers: Readonly<Record<string, string>>;
  #requests = 0;
  #resent = 0;
  #isOver = false;
  #most = Number.POSITIVE_INFINITY;

  constructor(port: number, headers: Readonly<Record<string, string>> = {}) {
    this.#port = port;
    this.#headers = headers;
  }

  /** So many requests, then it is over. */
  async count(requests: number, clients = 16): Promise<LoadResult> {
    this.#most = requests;
    await this.#run(clients, 0, 0);
    return this.result();
  }

  /** Load until the action is over, and a little before and after. */
  async during(action: () => Promise<void>): Promise<LoadResult> {
    const running = this.#run(KEPT_CONNECTIONS, FRESH_CLIENTS, PAUSE_MS);
    try {
      await sleep(100);
      await action();
      await sleep(100);
    } finally {
      this.#isOver = true;
      await running;
    }
    return this.result();
  }

  result(): LoadResult {
    return {
      requests: this.#requests,
      byServer: { ...this.#byServer },
      lost: { ...this.#lost },
      resent: this.#resent,
    };
  }

  async #run(keeping: number, fresh: number, pauseMs: number): Promise<void> {
    const clients = [...Array(keeping + fresh).keys()].map((index) =>
      this.#ask(index < keeping, pauseMs),
    );
    await Promise.all(clients);
  }

  async #ask(keeps: boolean, pauseMs: number): Promise<void> {
    const agent = keeps ? new Agent({ keepAlive: true, maxSockets: 1 }) : undefined;
    while (!this.#isOver && this.#requests < this.#most) {
      this.#requests += 1;
      await this.#askOnce(agent);
      if (pauseMs > 0) await sleep(pauseMs);
    }
    agent?.destroy();
  }

  async #askOnce(agent: Agent | undefined): Promise<void> {
    for (;;) {
      try {
        const answer = await askThrough(this.#port, {
          headers: this.#headers,
          ...(agent === undefined ? {} : { agent }),
        });
        if (answer.status !== 200) bump(this.#lost, `status ${answer.status}`);
        else bump(this.#byServer, answer.server);
        return;
      } catch (error) {
        if ((error as { mayResend?: boolean }).mayResend === true) {
          this.#resent += 1;
          continue;
        }
        bump(this.#lost, (error as NodeJS.ErrnoException).code ?? (error as Error).message);
        return;
      }
    }
  }
}

function bump(counts: Record<string, number>, key: string): void {
  counts[key] = (counts[key] ?? 0) + 1;
}

/** Throws unless a count is within five standard deviations of what a share makes of so many requests. */
export function assertShare(what: string, count: number, requests: number, share: number): void {
  const expected = requests * share;
  const most = 5 * Math.sqrt(requests * share * (1 - share)) + 1;
  if (Math.abs(count - expected) <= most) return;
  throw new Error(
    `${what}: ${count} of ${requests} requests, expected ${expected.toFixed(0)} ± ${most.toFixed(0)}.`,
  );
}
