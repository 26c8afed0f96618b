import { createServer } from 'node:net';
import { TemporalServerError } from './server-error.ts';

const HOST = '127.0.0.1';
const ATTEMPTS = 200;

/** Linux hands out 32768 and above by default. */
const ANY_FROM = 20_000;
const ANY_COUNT = 12_000;

/**
 * Finds a TCP port on 127.0.0.1 that nobody listens on.
 *
 * @param preferred - first port to try; the next ones follow. 0 asks for any free port below those that the system hands out to
 *   clients: what listens there can be stopped and started again without losing its port to some connection.
 * @param taken - ports that must not be chosen although nobody listens on them yet.
 * @returns the port. Another program may still take it before the caller does.
 * @throws TemporalServerError `port-none-free` after 200 ports in a row were taken.
 */
export async function findFreePort(
  preferred: number,
  taken: ReadonlySet<number> = new Set(),
): Promise<number> {
  if (preferred === 0) {
    return findFreePort(ANY_FROM + Math.floor(Math.random() * ANY_COUNT), taken);
  }
  for (let port = preferred; port < preferred + ATTEMPTS && port <= 65_535; port += 1) {
    if (!taken.has(port) && (await isFree(port))) {
      return port;
    }
  }
  throw new TemporalServerError(
    'port-none-free',
    `No free port on ${HOST} from ${preferred} to ${preferred + ATTEMPTS - 1}: stop what listens there, or name another port.`,
  );
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: HOST, exclusive: true }, () => server.close(() => resolve(true)));
  });
}
