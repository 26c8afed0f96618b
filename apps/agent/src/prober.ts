import { Agent as HttpAgent, request } from 'node:http';
import { type AgentClient, MAX_PROBE_SAMPLES, type ProbeSample } from '@sluice/agent-protocol';
import type { Logger } from '@sluice/observability';
import { pauseFor } from './backoff.ts';

/** How an agent measures its own service. */
export interface ProbeSettings {
  /** Of the service on this host, at 127.0.0.1. */
  readonly port: number;
  /** Begins with a slash. */
  readonly path: string;
  /** Milliseconds between two requests. */
  readonly everyMs: number;
}

/** What measuring needs. */
export interface ProberParts {
  readonly settings: ProbeSettings;
  readonly client: Pick<AgentClient, 'sendProbes'>;
  /** Digest of the release that is active; null for none. */
  readonly findActive: () => Promise<string | null>;
  readonly log: Logger;
  /** Of one sample. Seconds; 5 when absent. */
  readonly intervalSeconds?: number;
}

const INTERVAL_SECONDS = 5;

/** Of one request. Milliseconds; what takes longer had no answer. */
const TIMEOUT_MS = 5000;

/** Requests that wait for an answer at a time; while so many do, no other is sent. */
const MAX_WAITING = 64;

const MAX_BODY_BYTES = 64 * 1024;

/**
 * Asks the own service again and again until the signal, and sends what came of it in samples. A control plane that is away gets them later,
 * the newest hundred; an interval in which another release became active is left out, for it was neither's.
 */
export async function runProber(parts: ProberParts, signal: AbortSignal): Promise<void> {
  const { settings, findActive, log, intervalSeconds = INTERVAL_SECONDS } = parts;
  const lengthMs = intervalSeconds * 1000;
  const service = new HttpAgent({ keepAlive: true, maxSockets: MAX_WAITING });
  const outbox: ProbeSample[] = [];
  let counted = new Interval();
  let isActive = false;
  let waiting = 0;
  const timer = setInterval(() => {
    if (!isActive || waiting >= MAX_WAITING) return;
    waiting += 1;
    void ask(service, settings).then((answer) => {
      waiting -= 1;
      counted.add(answer);
    });
  }, settings.everyMs);
  try {
    await pauseFor(lengthMs - (Date.now() % lengthMs), signal);
    let active = await findActive();
    isActive = active !== null;
    counted = new Interval();
    let began = floorTo(Date.now(), lengthMs);
    while (!signal.aborted) {
      await pauseFor(began + lengthMs - Date.now(), signal);
      if (signal.aborted) return;
      const now = await findActive();
      const ended = counted;
      counted = new Interval();
      const isWhole = active !== null && now === active && Date.now() < began + 2 * lengthMs;
      if (isWhole) outbox.push(ended.sample(began, intervalSeconds, active));
      if (outbox.length > MAX_PROBE_SAMPLES) outbox.shift();
      active = now;
      isActive = active !== null;
      began = floorTo(Date.now(), lengthMs);
      await send(parts, outbox, signal);
    }
  } catch (error) {
    log.error({ err: error }, 'The own service is not measured any more.');
  } finally {
    clearInterval(timer);
    service.destroy();
  }
}

async function send(
  { client, log }: ProberParts,
  outbox: ProbeSample[],
  signal: AbortSignal,
): Promise<void> {
  if (outbox.length === 0) return;
  const sent = [...outbox];
  try {
    await client.sendProbes(sent, signal);
    outbox.splice(0, sent.length);
  } catch (error) {
    if (signal.aborted) return;
    const isRefused = (error as { readonly code?: unknown }).code === 'control-plane-refused';
    if (isRefused) outbox.splice(0, sent.length);
    const what = isRefused ? 'were refused and are dropped' : 'wait for the control plane';
    log.warn({ err: error, samples: sent.length }, `Samples of the own service ${what}.`);
  }
}

/** Null for no whole answer. */
interface Answer {
  readonly status: number | null;
  readonly ms: number;
}

function ask(agent: HttpAgent, { port, path }: ProbeSettings): Promise<Answer> {
  const began = performance.now();
  return new Promise((resolve) => {
    const end = (status: number | null): void => {
      clearTimeout(timer);
      resolve({ status, ms: performance.now() - began });
    };
    const sent = request({
      agent,
      host: '127.0.0.1',
      port,
      path,
      headers: { accept: '*/*', 'user-agent': 'sluice-agent' },
    });
    const timer = setTimeout(() => sent.destroy(new Error('too slow')), TIMEOUT_MS);
    sent.on('error', () => end(null));
    sent.on('response', (response) => {
      let size = 0;
      response.on('data', (chunk: Buffer) => {
        size += chunk.byteLength;
        // What is so long is no health page; that it answers is known.
        if (size > MAX_BODY_BYTES) response.destroy();
      });
      response.on('error', () => end(size > MAX_BODY_BYTES ? (response.statusCode ?? null) : null));
      response.on('close', () => {
        const isWhole = response.complete || size > MAX_BODY_BYTES;
        end(isWhole ? (response.statusCode ?? null) : null);
      });
    });
    sent.end();
  });
}

/** What came of the requests that ended in one interval. */
class Interval {
  #requests = 0;
  #errors = 0;
  readonly #latencies: number[] = [];

  add({ status, ms }: Answer): void {
    this.#requests += 1;
    if (status !== 200) this.#errors += 1;
    if (status !== null) this.#latencies.push(ms);
  }

  sample(began: number, seconds: number, activeRelease: string | null): ProbeSample {
    const sorted = this.#latencies.toSorted((left, right) => left - right);
    return {
      sampledAt: new Date(began).toISOString(),
      seconds,
      requests: this.#requests,
      errors: this.#errors,
      p50Ms: percentile(sorted, 0.5),
      p90Ms: percentile(sorted, 0.9),
      p99Ms: percentile(sorted, 0.99),
      activeRelease,
    };
  }
}

/** Nearest rank, to the microsecond; null of nothing. */
function percentile(sorted: readonly number[], share: number): number | null {
  const value = sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)];
  return value === undefined ? null : Math.round(value * 1000) / 1000;
}

function floorTo(value: number, step: number): number {
  return Math.floor(value / step) * step;
}

/** Runs {@link runProber} beside the agent, where it is asked for. */
export function startProber(
  parts: Omit<ProberParts, 'settings'> & { readonly settings: ProbeSettings | undefined },
  signal: AbortSignal,
): { stop(): Promise<void> } {
  const { settings } = parts;
  const stopping = new AbortController();
  const running =
    settings === undefined
      ? Promise.resolve()
      : runProber({ ...parts, settings }, AbortSignal.any([signal, stopping.signal]));
  return {
    stop: async () => {
      stopping.abort();
      await running;
    },
  };
}
