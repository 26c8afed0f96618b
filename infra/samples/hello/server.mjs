// The sample service of the demo: says who it is, and whether it is well.
// PORT (default 8080), GREETING, VERSION and TARGET come from the environment.
import { createServer } from 'node:http';

const { PORT = '8080', GREETING = 'hello', VERSION = '0.0.0', TARGET = '' } = process.env;

const server = createServer((request, response) => {
  const { pathname } = new URL(request.url ?? '/', 'http://localhost');
  const answers = {
    '/': { service: 'hello', version: VERSION, greeting: GREETING },
    '/healthz': { status: 'ok', version: VERSION },
  };
  const answer = answers[pathname];
  response.writeHead(answer === undefined ? 404 : 200, {
    'content-type': 'application/json',
    'x-version': VERSION,
    'x-target': TARGET,
  });
  response.end(`${JSON.stringify(answer ?? { error: 'not found' })}\n`);
});

for (const signal of ['SIGTERM', 'SIGINT']) {
  process.on(signal, () => {
    // What was begun is answered; idle connections are closed at once.
    server.close(() => process.exit(0));
    setTimeout(() => server.closeAllConnections(), 2_000).unref();
  });
}

server.listen(Number(PORT), '127.0.0.1', () => {
  process.stdout.write(`${JSON.stringify({ ready: true, service: 'hello', version: VERSION })}\n`);
});
