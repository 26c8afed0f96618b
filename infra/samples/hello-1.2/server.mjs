// The sample service from version 1.2.0 on: it counts its greetings in a file, so it needs a place for it.
// PORT (default 8080), GREETING and VERSION come from the environment, and GREETING_STORE names the
// folder of the count.
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';

const { PORT = '8080', GREETING = 'hello', VERSION = '0.0.0', GREETING_STORE = '' } = process.env;

/** Why greetings cannot be counted; undefined when they can. */
function findStoreProblem() {
  if (GREETING_STORE === '') {
    return 'the setting GREETING_STORE is missing: name the folder in which greetings are counted';
  }
  try {
    mkdirSync(GREETING_STORE, { recursive: true });
    writeCount(readCount());
    return undefined;
  } catch (error) {
    return `greetings cannot be counted in GREETING_STORE (${GREETING_STORE}): ${error.message}`;
  }
}

function readCount() {
  try {
    return Number(readFileSync(join(GREETING_STORE, 'greetings.count'), 'utf8'));
  } catch {
    return 0;
  }
}

function writeCount(count) {
  writeFileSync(join(GREETING_STORE, 'greetings.count.new'), String(count));
  renameSync(join(GREETING_STORE, 'greetings.count.new'), join(GREETING_STORE, 'greetings.count'));
}

function greet() {
  const greetings = readCount() + 1;
  writeCount(greetings);
  return { service: 'hello', version: VERSION, greeting: GREETING, greetings };
}

function answer(pathname) {
  const problem = findStoreProblem();
  if (pathname === '/healthz') {
    const status = problem === undefined ? 'ok' : 'unavailable';
    return [problem === undefined ? 200 : 503, { status, version: VERSION, problem }];
  }
  if (pathname !== '/') {
    return [404, { error: 'not found' }];
  }
  return problem === undefined ? [200, greet()] : [503, { error: problem }];
}

const server = createServer((request, response) => {
  const [status, body] = answer(new URL(request.url ?? '/', 'http://localhost').pathname);
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(`${JSON.stringify(body)}\n`);
});

for (const signal of ['SIGTERM', 'SIGINT']) {
  process.on(signal, () => {
    server.close(() => process.exit(0));
    server.closeAllConnections();
  });
}

const problem = findStoreProblem();
if (problem !== undefined) {
  process.stderr.write(`hello ${VERSION}: ${problem}\n`);
}
server.listen(Number(PORT), '127.0.0.1', () => {
  process.stdout.write(`${JSON.stringify({ ready: true, service: 'hello', version: VERSION })}\n`);
});
