/**
 * Ends a test's stack when the test itself no longer can: its standard input closes without the word
 * `done` when the process that started it is gone, whatever ended that.
 */
import { removeStackData } from '@sluice/infra';

const dataDir = process.argv[2];
let input = '';
process.stdin.setEncoding('utf8');
// A Ctrl-C in the terminal is for the run that is guarded; its end is seen as the closed input.
for (const signal of ['SIGINT', 'SIGHUP', 'SIGTERM']) process.on(signal, () => {});
for await (const chunk of process.stdin) input += chunk;
if (input.trim() !== 'done' && dataDir) await removeStackData(dataDir);
