import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:http';
import { LoadRecord } from './load-record.ts';

/** What to ask, and how often. */
export type LoadOptions = {
  /** An http URL of this machine. */
  readonly url: string;
  /** Requests a second, at most 1,000. */
  readonly perSecond: number;
  /** Requests at a time, 64 when absent; what is due beyond them is not sent, and counted. */
  readonly maxInFlight?: number;
  /** For the whole answer; 5,000 when absent. */
  readonly timeoutMs?: number;
  readonly headers?: Readonly<Record<string, string>>;
};

/** A load that goes on until it is stopped. */
export type SteadyLoad = {
  readonly record: LoadRecord;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  /** Requests that were due while too many were unanswered. */
  readonly skipped: () => number;
  /** Requests that were asked again on a fresh connection, for the one that they were given had just been closed. */
  readonly retried: () => number;
  /** Sends nothing more and waits for what is unanswered. */
  stop(): Promise<void>;
};

const TICK_MS = 5;
const MAX_PER_SECOND = 1000;
const HOSTS = ['127.0.0.1', 'localhost', '[::1]'];

type Answer = { readonly status: number; readonly version: string | null };

/**
 * Asks for a page at a steady rate over connections that are kept, and records what comes back: status, version (header `x-version`),
 * time. A slow answer does not slow the next request down.
 * @throws RangeError for a rate that is none, or another host than this one
 */
export function startLoad(options: LoadOptions): SteadyLoad {
  const { url, perSecond, maxInFlight = 64, timeoutMs = 5000, headers = {} } = options;
  if (!(perSecond > 0 && perSecond <= MAX_PER_SECOND)) {
    throw new RangeError(`${perSecond} requests a second: ask for more than 0, at most 1,000.`);
  }
  const { hostname, protocol } = new URL(url);
  if (protocol !== 'http:' || !HOSTS.includes(hostname)) {
    throw new RangeError(`${url} is not of this machine: load is for loopback addresses alone.`);
  }
  const agent = new Agent({ keepAlive: true, maxSockets: maxInFlight, scheduling: 'lifo' });
  const record = new LoadRecord();
  const startedAt = Date.now();
  const began = performance.now();
  const inFlight = new Set<Promise<void>>();
  const count = { due: 0, skipped: 0, retried: 0 };

  const ask = async (): Promise<void> => {
    const at = performance.now() - began;
    let answer = await askOnce({ url, agent, headers, timeoutMs });
    if (answer === 'closed-before') {
      count.retried += 1;
      answer = await askOnce({ url, agent: false, headers, timeoutMs });
    }
    const ms = performance.now() - began - at;
    const { status, version } =
      typeof answer === 'object' ? answer : { status: null, version: null };
    record.add({ at, status, version, ms });
  };

  const timer = setInterval(() => {
    const due = Math.floor(((performance.now() - began) * perSecond) / 1000);
    for (; count.due < due; count.due += 1) {
      if (inFlight.size >= maxInFlight) {
        count.skipped += 1;
        continue;
      }
      const asked = ask().finally(() => inFlight.delete(asked));
      inFlight.add(asked);
    }
  }, TICK_MS);

  return {
    record,
    startedAt,
    skipped: () => count.skipped,
    retried: () => count.retried,
    stop: async () => {
      clearInterval(timer);
      await Promise.all(inFlight);
      agent.destroy();
    },
  };
}

/**
 * One request. `closed-before`: the connection was an old one, and the other side had closed it before it saw the request, which every
 * client tries again; `lost`: anything else that left no whole answer.
 */
function askOnce(options: {
  readonly url: string;
  readonly agent: Agent | false;
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
}): Promise<Answer | 'closed-before' | 'lost'> {
  const { url, agent, headers, timeoutMs } = options;
  return new Promise((resolve) => {
    const asked = request(url, { agent, headers, signal: AbortSignal.timeout(timeoutMs) });
    let response: IncomingMessage | undefined;
    asked.once('response', (incoming) => {
      response = incoming;
      incoming.resume();
      incoming.once('error', () => resolve('lost'));
      incoming.once('end', () => {
        const version = incoming.headers['x-version'];
        resolve({
          status: incoming.statusCode ?? 0,
          version: typeof version === 'string' && version !== '' ? version : null,
        });
      });
    });
    asked.on('error', (error: NodeJS.ErrnoException) => {
      const wasClosed = ['ECONNRESET', 'EPIPE'].includes(error.code ?? '');
      const isFresh = response === undefined && asked.reusedSocket && wasClosed;
      resolve(isFresh ? 'closed-before' : 'lost');
    });
    asked.end();
  });
}
