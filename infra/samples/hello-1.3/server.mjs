// The sample service in version 1.3.0, which nobody had put under load: asked for its health it is well, but its greetings come late,
// and some do not come at all. PORT (default 8080), GREETING, VERSION and TARGET come from the environment; GREETING_ERROR_PERCENT
// (default 5) and GREETING_DELAY_MS (default 80) say how bad it is.
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

const { PORT = '8080', GREETING = 'hello', VERSION = '0.0.0', TARGET = '' } = process.env;
const errorPercent = readNumber('GREETING_ERROR_PERCENT', 5, 100);
const delayMs = readNumber('GREETING_DELAY_MS', 80, 10_000);

let greetings = 0;

function readNumber(name, otherwise, most) {
  const number = Number(process.env[name] ?? otherwise);
  if (number >= 0 && number <= most) return number;
  process.stderr.write(`hello ${VERSION}: ${name} is no number from 0 to ${most}\n`);
  return otherwise;
}

/** Whether this greeting is one of those that fail: spread evenly, so that few requests show the share already. */
function failsNow() {
  const failedOf = (count) => Math.floor((count * errorPercent) / 100 + 0.5);
  greetings += 1;
  return failedOf(greetings) > failedOf(greetings - 1);
}

async function answer(pathname) {
  if (pathname === '/healthz') return [200, { status: 'ok', version: VERSION }];
  if (pathname !== '/') return [404, { error: 'not found' }];
  const fails = failsNow();
  await sleep(delayMs * (0.75 + Math.random() / 2));
  return fails
    ? [500, { error: 'no greeting came to mind' }]
    : [200, { service: 'hello', version: VERSION, greeting: GREETING }];
}

const server = createServer(async (request, response) => {
  const [status, body] = await answer(new URL(request.url ?? '/', 'http://localhost').pathname);
  response.writeHead(status, {
    'content-type': 'application/json',
    'x-version': VERSION,
    'x-target': TARGET,
  });
  response.end(`${JSON.stringify(body)}\n`);
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
