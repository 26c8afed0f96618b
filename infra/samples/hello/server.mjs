// The sample service of the demo: says who it is, and whether it is well.
// PORT (default 8080), GREETING and VERSION come from the environment.
import { createServer } from 'node:http';

const { PORT = '8080', GREETING = 'hello', VERSION = '0.0.0' } = process.env;

const server = createServer((request, response) => {
  const { pathname } = new URL(request.url ?? '/', 'http://localhost');
  const answers = {
    '/': { service: 'hello', version: VERSION, greeting: GREETING },
    '/healthz': { status: 'ok', version: VERSION },
  };
  const answer = answers[pathname];
  response.writeHead(answer === undefined ? 404 : 200, { 'content-type': 'application/json' });
  response.end(`${JSON.stringify(answer ?? { error: 'not found' })}\n`);
});

for (const signal of ['SIGTERM', 'SIGINT']) {
  process.on(signal, () => {
    server.close(() => process.exit(0));
    server.closeAllConnections();
  });
}

server.listen(Number(PORT), '127.0.0.1', () => {
  process.stdout.write(`${JSON.stringify({ ready: true, service: 'hello', version: VERSION })}\n`);
});
