/**
 * Ends a test's stack when the test itself no longer can: its standard input closes without the word
 * `done` when the process that started it is gone, whatever ended that. Then the test's folder goes too.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { removeStackData } from '@sluice/infra';

const [, , folder = ''] = process.argv;
let input = '';
process.stdin.setEncoding('utf8');
// A Ctrl-C in the terminal is for the run that is guarded; its end is seen as the closed input.
for (const signal of ['SIGINT', 'SIGHUP', 'SIGTERM']) process.on(signal, () => {});
for await (const chunk of process.stdin) input += chunk;
if (input.trim() !== 'done') {
  // A process closes what it has open before it is gone: for a moment it still owns the stack.
  for (let tries = 0; tries < 50 && !(await removed()); tries += 1) await sleep(200);
  await rm(folder, { recursive: true, force: true });
}

async function removed() {
  return removeStackData(join(folder, 'data')).then(
    () => true,
    () => false,
  );
}
