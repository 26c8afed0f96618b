/*
 * Loaded first by each thread of Sluice's worker (`--profile=DIR`): writes what the thread has done every ten seconds, and at its end, as files
 * that a browser's developer tools open.
 */
const { writeFileSync } = require('node:fs');
const { join } = require('node:path');
const { Session } = require('node:inspector');
const { threadId } = require('node:worker_threads');

const session = new Session();
session.connect();
let part = 0;
const start = () => session.post('Profiler.start');
const write = () =>
  session.post('Profiler.stop', (error, answer) => {
    if (error !== null) return;
    part += 1;
    const name = `${process.pid}-thread-${threadId}-${part}.cpuprofile`;
    writeFileSync(join(process.env.BENCH_PROFILE_DIR, name), JSON.stringify(answer.profile));
  });
session.post('Profiler.enable');
start();
setInterval(() => {
  write();
  start();
}, 10_000).unref();
process.on('exit', write);
