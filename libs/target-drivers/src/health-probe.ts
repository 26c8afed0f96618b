import { type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { accepted, type HealthProbe, type Outcome, refused } from '@sluice/domain';

/** The answer of one probe: healthy, or why not. */
export type ProbeAnswer =
  | { readonly healthy: true }
  | { readonly healthy: false; readonly why: string };

/** No more of an answer is read; what is told of it is shorter. Bytes. */
const MAX_ANSWER_BYTES = 4096;

/** So much of an answer is told. Characters. */
const MAX_TOLD = 200;

/** Asks once, on this host. Healthy is HTTP 200 within the probe's timeout; redirects are not followed. */
export function probeOnce(probe: HealthProbe, signal?: AbortSignal): Promise<ProbeAnswer> {
  const { path, port, timeoutMs } = probe;
  const timeout = AbortSignal.timeout(timeoutMs);
  return new Promise((resolve) => {
    let hasAnswered = false;
    const asked = request(
      {
        host: '127.0.0.1',
        port,
        path,
        agent: false,
        signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
      },
      (response) => {
        hasAnswered = true;
        const status = response.statusCode ?? 0;
        if (status === 200) {
          response.destroy();
          resolve({ healthy: true });
          return;
        }
        void readStart(response).then((body) => {
          const said = body === '' ? '' : `: "${body}"`;
          resolve({ healthy: false, why: `it answered ${status}${said}` });
        });
      },
    );
    asked.on('error', (error: NodeJS.ErrnoException) => {
      // Once it answered, its status is what there is to say.
      if (hasAnswered) return;
      const why = timeout.aborted
        ? `no answer within ${timeoutMs} ms`
        : `no connection (${error.code ?? error.message})`;
      resolve({ healthy: false, why });
    });
    asked.end();
  });
}

/** The first printable characters of an answer, on one line; what came of it when it is cut off or late. */
function readStart(response: IncomingMessage): Promise<string> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const end = () => {
      response.destroy();
      const bytes = Buffer.concat(chunks).subarray(0, MAX_ANSWER_BYTES);
      // As a stream: a character that the bound cuts is left out.
      const text = new TextDecoder().decode(bytes, { stream: true });
      const line = text.replace(/\s+/gu, ' ').trim().replace(/\p{C}/gu, '?');
      resolve([...line].slice(0, MAX_TOLD).join(''));
    };
    response.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      size += chunk.length;
      if (size >= MAX_ANSWER_BYTES) end();
    });
    response.on('error', end);
    response.on('close', end);
  });
}

/**
 * Probes until enough answers in a row are good, or too many are bad. A service that is now well, now not,
 * is given up after ten times as many probes as it could need.
 * @param whyEnded looked at before each probe: a text ends the waiting, for the service is gone
 */
export async function waitUntilHealthy(
  probe: HealthProbe,
  whyEnded: () => Promise<string | undefined>,
  signal?: AbortSignal,
): Promise<Outcome<true>> {
  const where = `http://127.0.0.1:${probe.port}${probe.path}`;
  const most = 10 * (probe.successes + probe.failures);
  let good = 0;
  let bad = 0;
  for (let asked = 0; asked < most; asked += 1) {
    signal?.throwIfAborted();
    const ended = await whyEnded();
    if (ended !== undefined) return refused('service-exited', ended);
    const answer = await probeOnce(probe, signal);
    if (answer.healthy) {
      good += 1;
      bad = 0;
      if (good >= probe.successes) return accepted(true);
    } else {
      bad += 1;
      good = 0;
      if (bad >= probe.failures) {
        return refused(
          'service-unhealthy',
          `${where} failed ${bad} times in a row, last: ${answer.why}. Look at the service's log.`,
        );
      }
    }
    await sleep(probe.intervalMs, undefined, signal === undefined ? {} : { signal });
  }
  return refused('service-unsteady', `${where} was now well, now not, in ${most} probes.`);
}

/** True when something accepts connections at a port of this host. */
export function isPortTaken(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port, timeout: 1000 });
    const end = (taken: boolean) => {
      socket.destroy();
      resolve(taken);
    };
    socket.on('connect', () => end(true));
    socket.on('timeout', () => end(true));
    socket.on('error', () => end(false));
  });
}
