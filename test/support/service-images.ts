import type { ImageContent } from '@sluice/infra';

/**
 * How a version of the test service behaves:
 * `good` answers; `exits` ends at once; `sick` is never healthy; `unverifiable` is healthy for its agent and not
 * for the worker's verify step.
 */
export type ServiceBehaviour = 'good' | 'exits' | 'sick' | 'unverifiable';

// While the file that the setting HOLD_FILE names is there, the verify step finds it now well, now not, and probes on. In
// the version that the setting EXITS_IN names, the service ends at once.
const SERVER = `
import { existsSync } from 'node:fs';
import { createServer } from 'node:http';

const { PORT, VERSION, BEHAVIOUR = 'good', HOLD_FILE = '', EXITS_IN = '' } = process.env;
if (BEHAVIOUR === 'exits' || VERSION === EXITS_IN) {
  console.error('this version ends at once');
  process.exit(3);
}
let flips = 0;
const server = createServer((request, response) => {
  const verifying = request.headers['user-agent'] === 'sluice-verify';
  const held = verifying && HOLD_FILE !== '' && existsSync(HOLD_FILE);
  if (held) flips += 1;
  const sick =
    BEHAVIOUR === 'sick' || (BEHAVIOUR === 'unverifiable' && verifying) || (held && flips % 2 === 0);
  response.writeHead(request.url === '/healthz' && sick ? 503 : 200);
  response.end(JSON.stringify({ version: VERSION, pid: process.pid }));
});
process.on('SIGTERM', () => {
  server.close(() => process.exit(0));
  server.closeAllConnections();
});
server.listen(Number(PORT), '127.0.0.1');
`;

/** The image of one version; each tag gives an image of its own. */
export function serviceImage(tag: string, behaviour: ServiceBehaviour = 'good'): ImageContent {
  return {
    tag,
    layers: [[{ path: 'server.mjs', content: Buffer.from(SERVER) }]],
    entrypoint: ['node', 'server.mjs'],
    env: [`VERSION=${tag}`, `BEHAVIOUR=${behaviour}`],
    labels: { 'org.opencontainers.image.version': tag },
  };
}

/** What a service on a port says, or undefined when nobody answers. */
export async function findService(
  port: number,
): Promise<{ readonly version: string; readonly pid: number } | undefined> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/`, {
      headers: { connection: 'close' },
      signal: AbortSignal.timeout(3000),
    });
    return (await response.json()) as { version: string; pid: number };
  } catch {
    return undefined;
  }
}
