import type { HealthProbe } from '@sluice/domain';
import { pause } from '../pause.ts';

/** One try of a probe. */
export interface ProbeTry {
  readonly healthy: boolean;
  /** HTTP status, or what went wrong instead, in a few words. */
  readonly outcome: string;
}

/** How asking a service's health ended. */
export interface ProbeResult {
  readonly healthy: boolean;
  readonly url: string;
  readonly tries: number;
  /** The last try's outcome. */
  readonly lastOutcome: string;
}

/** Bytes of a body that are read at most; the rest is dropped. */
const MAX_BODY_BYTES = 64 * 1024;

/** What `fetch` needs to be here. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** The URL that a target's health is asked at. IPv6 addresses are put in brackets. */
export function healthUrl(address: string, probe: HealthProbe): string {
  const host = address.includes(':') && !address.startsWith('[') ? `[${address}]` : address;
  return new URL(probe.path, `http://${host}:${probe.port}`).href;
}

/**
 * Asks until as many good answers (HTTP 200) in a row came as the probe wants, or as many failures in a row.
 * A deadline ends it as unhealthy; cancellation throws the signal's reason.
 * @param deadline milliseconds since the epoch
 */
export async function probeHealth(
  address: string,
  probe: HealthProbe,
  deadline: number,
  cancellation: AbortSignal,
  fetchUrl: Fetch = fetch,
): Promise<ProbeResult> {
  const url = healthUrl(address, probe);
  let tries = 0;
  let successes = 0;
  let failures = 0;
  let lastOutcome = 'not asked';
  while (Date.now() < deadline) {
    cancellation.throwIfAborted();
    const answer = await tryOnce(url, probe.timeoutMs, cancellation, fetchUrl);
    cancellation.throwIfAborted();
    tries += 1;
    lastOutcome = answer.outcome;
    successes = answer.healthy ? successes + 1 : 0;
    failures = answer.healthy ? 0 : failures + 1;
    if (successes >= probe.successes) return { healthy: true, url, tries, lastOutcome };
    if (failures >= probe.failures) return { healthy: false, url, tries, lastOutcome };
    await pause(Math.min(probe.intervalMs, Math.max(0, deadline - Date.now())), cancellation);
  }
  return { healthy: false, url, tries, lastOutcome: `${lastOutcome}, then the deadline passed` };
}

async function tryOnce(
  url: string,
  timeoutMs: number,
  cancellation: AbortSignal,
  fetchUrl: Fetch,
): Promise<ProbeTry> {
  const timeout = AbortSignal.timeout(timeoutMs);
  try {
    const response = await fetchUrl(url, {
      redirect: 'manual',
      headers: { connection: 'close', 'user-agent': 'sluice-verify' },
      signal: AbortSignal.any([timeout, cancellation]),
    });
    await drain(response);
    return { healthy: response.status === 200, outcome: `HTTP ${response.status}` };
  } catch (error) {
    return {
      healthy: false,
      outcome: timeout.aborted ? `no answer within ${timeoutMs} ms` : reasonOf(error),
    };
  }
}

async function drain(response: Response): Promise<void> {
  const reader = response.body?.getReader();
  if (reader === undefined) return;
  let read = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    read += value.byteLength;
    if (read > MAX_BODY_BYTES) {
      await reader.cancel();
      return;
    }
  }
}

function reasonOf(error: unknown): string {
  if (typeof error !== 'object' || error === null) return String(error);
  const cause = 'cause' in error ? error.cause : undefined;
  if (typeof cause === 'object' && cause !== null && 'code' in cause) return String(cause.code);
  return 'message' in error ? String(error.message) : String(error);
}
