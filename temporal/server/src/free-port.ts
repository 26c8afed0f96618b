import { createServer } from 'node:net';
import { TemporalServerError } from './server-error.ts';

const HOST = '127.0.0.1';
const ATTEMPTS = 200;

/**
 * Finds a TCP port on 127.0.0.1 that nobody listens on.
 *
 * @param preferred - first port to try; the next ones follow. 0 asks the system for any free port.
 * @param taken - ports that must not be chosen although nobody listens on them yet.
 * @returns the port. Another program may still take it before the caller does.
 * @throws TemporalServerError `port-none-free` after 200 ports in a row were taken.
 */
export async function findFreePort(
  preferred: number,
  taken: ReadonlySet<number> = new Set(),
): Promise<number> {
  if (preferred === 0) {
    const port = await tryListen(0);
    return port === undefined || taken.has(port) ? findFreePort(0, taken) : port;
  }
  for (let port = preferred; port < preferred + ATTEMPTS && port <= 65_535; port += 1) {
    if (!taken.has(port) && (await tryListen(port)) !== undefined) {
      return port;
    }
  }
  throw new TemporalServerError(
    'port-none-free',
    `No free port on ${HOST} from ${preferred} to ${preferred + ATTEMPTS - 1}: stop what listens there, or name another port.`,
  );
}

function tryListen(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen({ port, host: HOST, exclusive: true }, () => {
      const address = server.address();
      const bound = typeof address === 'object' && address !== null ? address.port : port;
      server.close(() => resolve(bound));
    });
  });
}
