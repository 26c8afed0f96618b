/**
 * How fast archived histories replay: `apps/replay` with two workers over archive files, each encrypted with a key of its tenant and
 * opened, decoded and replayed against this checkout's bundle. Baseline: the same files with one worker. In turn. Seconds
 * are those that the tool itself gives, from the first file to the last: its start is not counted. Memory is that of all of its processes together, looked at four times a second: its mean over the
 * last quarter of a run, against that over the second, when everything is loaded.
 */
import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { headOf, historyFileName, parseCodecKeys, sealHistory } from '@sluice/temporal-client';
import { encodePayloads } from '../../dist/replay/encode-payloads.js';
import { listHistoryFiles } from '../../dist/replay/history-file.js';

const FULL = { histories: 1000, rounds: 3 };
const QUICK = { histories: 48, rounds: 1 };
const WORKERS = 2;
const TENANT = 'acme';
const SAMPLE_MS = 250;
const MIB = 1024 * 1024;
const PROGRAM = fileURLToPath(new URL('../../../apps/replay/dist/main.js', import.meta.url));

/** @param {{quick: boolean, say: (line: string) => void}} options */
export async function run({ quick, say }) {
  const { histories, rounds } = quick ? QUICK : FULL;
  const folder = await mkdtemp(join(tmpdir(), 'sluice-bench-'));
  try {
    say(`archiving ${histories} histories`);
    const archive = await makeArchive(folder, histories);
    const runs = { one: [], many: [] };
    for (let round = 0; round < rounds; round += 1) {
      // Whatever else the machine does in the meantime meets both.
      const order = round % 2 === 0 ? ['one', 'many'] : ['many', 'one'];
      for (const kind of order) {
        const done = await replay(archive, kind === 'one' ? 1 : WORKERS);
        if (done.histories !== histories || done.deterministic !== histories) {
          throw new Error(`Of ${histories} histories, ${done.deterministic} were deterministic.`);
        }
        runs[kind].push(done);
        const rate = done.histories / done.seconds;
        say(`${done.workers} at once: ${rate.toFixed(1)} histories/s, ${done.peak.toFixed(0)} MiB`);
      }
    }
    return [
      compare('histories per second', '1/s', runs, ({ histories: n, seconds }) => n / seconds),
      compare('events per second', '1/s', runs, ({ events: n, seconds }) => n / seconds),
      memory(runs.many),
    ];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Archive files as the archiver makes them, of every recorded history in turn, and the key that opens them. */
async function makeArchive(folder, count) {
  const key = { keyId: 'bench', key: randomBytes(32).toString('base64') };
  const content = { tenants: { [TENANT]: key } };
  const keys = parseCodecKeys(content);
  const keyFile = join(folder, 'codec-keys.json');
  await writeFile(keyFile, JSON.stringify(content), { mode: 0o600 });
  const input = join(folder, 'histories');
  await mkdir(input);
  const recorded = await listHistoryFiles();
  for (let index = 0; index < count; index += 1) {
    const { workflowId, history: readable } = recorded[index % recorded.length];
    const history = await encodePayloads(readable, workflowId, keys);
    const runId = crypto.randomUUID();
    const bundleDigestOf = () => undefined;
    const head = headOf({ tenantId: TENANT, workflowId, runId, history, bundleDigestOf });
    const file = join(input, historyFileName(head, 'encrypted'));
    await writeFile(file, await sealHistory({ history, head, keys }));
  }
  return { input, keyFile };
}

async function replay({ input, keyFile }, workers) {
  const args = ['run', '--input', input, '--key', keyFile, '--workers', String(workers)];
  const child = spawn(process.execPath, [PROGRAM, ...args, '--format', 'json', '--no-progress'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const output = [];
  child.stdout.on('data', (chunk) => output.push(chunk));
  const samples = [];
  const timer = setInterval(async () => samples.push(await residentMemory(child.pid)), SAMPLE_MS);
  try {
    const [status] = await once(child, 'close');
    if (status !== 0) throw new Error(`The replay ended with status ${status}.`);
  } finally {
    clearInterval(timer);
  }
  const report = JSON.parse(Buffer.concat(output).toString());
  const { histories, events, deterministic, seconds } = report;
  const quarter = (from) =>
    mean(samples.slice((samples.length * from) / 4, (samples.length * (from + 1)) / 4));
  return {
    ...{ workers, histories, events, deterministic, seconds, peak: Math.max(...samples) },
    ...{ early: quarter(1), late: quarter(3) },
  };
}

/** Of a process and those that it started. MiB. */
async function residentMemory(pid) {
  const processes = await listProcesses();
  const family = new Set([pid]);
  for (const { id, parent } of processes) if (family.has(parent)) family.add(id);
  const bytes = processes.filter(({ id }) => family.has(id)).reduce((sum, p) => sum + p.bytes, 0);
  return bytes / MIB;
}

/** By rising id, so that parents come first. */
async function listProcesses() {
  try {
    const ids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
    const found = await Promise.all(ids.sort((a, b) => a - b).map(readProcess));
    return found.filter((one) => one !== undefined);
  } catch {
    const { stdout } = await promisify(execFile)('ps', ['-axo', 'pid=,ppid=,rss=']);
    const rows = stdout
      .trim()
      .split('\n')
      .map((line) => line.trim().split(/\s+/).map(Number));
    return rows.map(([id, parent, kilobytes]) => ({ id, parent, bytes: kilobytes * 1024 }));
  }
}

async function readProcess(id) {
  try {
    const text = await readFile(`/proc/${id}/status`, 'utf8');
    const field = (name) => Number(new RegExp(`^${name}:\\s*(\\d+)`, 'm').exec(text)?.[1] ?? 0);
    return { id, parent: field('PPid'), bytes: field('VmRSS') * 1024 };
  } catch {
    // It ended meanwhile.
    return undefined;
  }
}

function compare(name, unit, { one, many }, rateOf) {
  const values = many.map(rateOf);
  const baseline = mean(one.map(rateOf));
  const value = mean(values);
  return { name, value, baseline, ratio: value / baseline, unit, ...spreadOf(values) };
}

/** A ratio near one says that it does not grow with the number of histories. */
function memory(runs) {
  const value = mean(runs.map(({ late }) => late));
  const baseline = mean(runs.map(({ early }) => early));
  const peaks = spreadOf(runs.map(({ peak }) => peak));
  return {
    name: 'resident memory',
    value,
    baseline,
    ratio: value / baseline,
    unit: 'MiB',
    ...peaks,
  };
}

function spreadOf(values) {
  return { n: values.length, spread: { min: Math.min(...values), max: Math.max(...values) } };
}

function mean(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
