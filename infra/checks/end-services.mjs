/**
 * The guard of test-services.mjs: reads process ids from standard input, one a line, and when the
 * input closes without a last line `done`, ends them and removes the folder named as argument.
 */
import { rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const folder = process.argv[2];
let input = '';
process.stdin.setEncoding('utf8');
// A Ctrl-C in the terminal is for the run that is guarded; its end is seen as the closed input.
for (const signal of ['SIGINT', 'SIGHUP', 'SIGTERM']) process.on(signal, () => {});
for await (const chunk of process.stdin) input += chunk;

const lines = input.trim().split('\n');
if (lines.at(-1) !== 'done') {
  const pids = lines.map(Number).filter((pid) => Number.isInteger(pid) && pid > 1);
  // SIGINT is Postgres' fast shutdown; the dev server ends on it too.
  for (const pid of pids) send(pid, 'SIGINT');
  for (let waited = 0; waited < 50 && pids.some(isAlive); waited += 1) await sleep(100);
  for (const pid of pids.filter(isAlive)) send(pid, 'SIGKILL');
  if (folder) rmSync(folder, { recursive: true, force: true });
}

function isAlive(pid) {
  return send(pid, 0);
}

function send(pid, signal) {
  try {
    process.kill(pid, signal);
    return true;
  } catch {
    return false;
  }
}
