import type { FileHandle } from 'node:fs/promises';
import { constants as systemConstants } from 'node:os';
import type { Readable } from 'node:stream';
import { assertRun } from './assert-run.ts';
import { BoundedLog } from './bounded-log.ts';
import { collectArtifacts, collectOutputs } from './collect-outputs.ts';
import type { LimitGroup } from './limit-group.ts';
import { prepareHost } from './probe-sandbox.ts';
import { prlimitArguments } from './process-limits.ts';
import { mountArguments, namespaceArguments } from './root-view.ts';
import { type SandboxChild, startSandboxChild } from './sandbox-child.ts';
import { SandboxError } from './sandbox-error.ts';
import { pickUser, type SandboxHost } from './sandbox-host.ts';
import type { SandboxProbe } from './sandbox-probe.ts';
import type { LimitMechanism, SandboxLimits, SandboxResult, SandboxRun } from './sandbox-run.ts';
import { closingArguments, listContents, secretsFolderArguments } from './script-setting.ts';
import { type Ending, findExceeded, supervise } from './supervise.ts';
import { systemCallFilter } from './system-call-filter.ts';

const START_DEADLINE_MS = 60_000;
const COMPLAINT_BYTES = 2000;

/**
 * Runs a script in a sandbox of its own and waits until nothing of it is left. It sees the system's programs, its own folder and
 * nothing else of this machine; the folder lies in memory and is gone with it. Should this process be killed, the script is too.
 *
 * @throws SandboxError when the sandbox or one of the limits cannot be had: then nothing was run
 */
export async function runSandboxed(
  run: SandboxRun,
  host: SandboxHost = {},
): Promise<SandboxResult> {
  assertRun(run);
  const { probe, createGroup } = await prepareHost(host);
  assertUsable(probe, run.limits);
  const mechanism = probe.limits?.mechanism;
  if (createGroup === undefined || mechanism === undefined || probe.isolation === null) {
    throw new SandboxError('sandbox-isolation-missing', 'There is no sandbox here.');
  }
  if (run.signal?.aborted === true) return cancelledBefore(mechanism);
  const group = await createGroup(run.limits).catch((cause: Error) => {
    throw new SandboxError(
      'sandbox-limit-missing',
      `The limits cannot be set (${mechanism}): ${cause.message}.`,
      { cause },
    );
  });
  try {
    return await runUnder(run, group, mechanism, probe.isolation.path, host);
  } finally {
    await group.remove();
  }
}

async function runUnder(
  run: SandboxRun,
  group: LimitGroup,
  mechanism: LimitMechanism,
  bubblewrap: string,
  host: SandboxHost,
): Promise<SandboxResult> {
  const filter = systemCallFilter();
  if (filter === undefined) {
    throw new SandboxError('sandbox-isolation-missing', `Nothing is known of ${process.arch}.`);
  }
  const child = await startSandboxChild({
    bubblewrap,
    user: pickUser(host),
    filter,
    before: [
      ...namespaceArguments(run.network),
      ...(await mountArguments(run, host.readOnlyPaths ?? [])),
      ...secretsFolderArguments(run),
    ],
    contents: listContents(run),
    after: closingArguments(run),
    program: run.argv[0] ?? '',
    command: ['prlimit', ...(await prlimitArguments(run.limits, mechanism)), '--', ...run.argv],
  });
  const { init, folder } = await prepare(child, group);
  try {
    const secrets = [...(run.secrets?.values() ?? [])].map(({ value }) =>
      Buffer.from(value as Uint8Array),
    );
    const log = new BoundedLog(run.limits.logBytes, secrets, run.onLog, run.showLog);
    const ending = await supervise(run, child, init, group, log);
    const end = readEnd(run, ending);
    const isGood = end.outcome === 'exited' && end.exitCode === 0;
    return {
      ...end,
      usage: {
        wallMilliseconds: ending.wallMilliseconds,
        cpuSeconds: ending.counts.cpuSeconds,
        peakMemoryBytes: ending.counts.peakMemoryBytes,
      },
      logs: { bytes: log.bytes, truncated: log.truncated },
      outputs: isGood ? await collectOutputs(folder) : { state: 'none' },
      artifacts: isGood ? await collectArtifacts(folder, run) : new Map(),
      mechanism,
    };
  } finally {
    await folder.close();
  }
}

/** Puts the limits on, and brings the sandbox to the last step before the script. */
async function prepare(
  child: SandboxChild,
  group: LimitGroup,
): Promise<{ readonly init: number; readonly folder: FileHandle }> {
  const deadline = setTimeout(child.kill, START_DEADLINE_MS);
  try {
    const init = await child.init;
    await group.add(init);
    return { init, folder: await child.prepare() };
  } catch (cause) {
    child.kill();
    await child.ended;
    const complaint = await readRest(child.logs.stderr);
    for (const reader of Object.values(child.logs)) reader.destroy();
    const message = [(cause as Error).message, complaint].filter(Boolean).join(' ');
    throw new SandboxError(
      'sandbox-start-failed',
      `The sandbox could not be started, and nothing was run: ${message}`,
      { cause },
    );
  } finally {
    clearTimeout(deadline);
  }
}

/** Refuses where the sandbox or a limit is missing; never runs with less. */
function assertUsable(probe: SandboxProbe, limits: SandboxLimits): void {
  const stops = probe.missing.filter((gap) => gap.stops);
  const why = stops.map((gap) => `${gap.message} ${gap.how}`).join(' ');
  if (probe.isolation === null) {
    throw new SandboxError('sandbox-isolation-missing', `Scripts cannot be isolated here. ${why}`);
  }
  const ways = probe.missing.map((gap) => `${gap.message} ${gap.how}`).join(' ');
  if (probe.limits === null) {
    const message = `No limit of a script can be kept here. ${ways}`;
    throw new SandboxError('sandbox-limit-missing', message, { limit: 'memoryBytes' });
  }
  for (const [name, value] of Object.entries(limits) as [keyof SandboxLimits, unknown][]) {
    if (value === undefined || probe.limits.kept.includes(name)) continue;
    throw new SandboxError(
      'sandbox-limit-missing',
      `The limit ${name} cannot be kept here: ${probe.limits.mechanism} does not know it. ${ways}`,
      { limit: name },
    );
  }
}

function readEnd(
  run: SandboxRun,
  { reason, ranOut, code, counts }: Ending,
): Pick<SandboxResult, 'outcome' | 'exitCode' | 'signal' | 'ranOut'> {
  const ended = { exitCode: null, signal: null, ranOut: null };
  if (reason !== undefined) return { ...ended, outcome: reason, ranOut };
  const exceeded = findExceeded(run, { ...counts, memoryBytes: null });
  if (exceeded !== undefined) return { ...ended, ...exceeded };
  const signal = findSignal(code);
  if (signal === 'SIGXCPU') return { ...ended, outcome: 'timed-out', ranOut: 'cpuSeconds' };
  if (signal !== undefined) return { ...ended, outcome: 'killed', signal };
  return { ...ended, outcome: 'exited', exitCode: code };
}

/** bubblewrap, as a shell, says 128 + n of a process that signal n ended. */
function findSignal(code: number): string | undefined {
  const found = Object.entries(systemConstants.signals).find(([, number]) => number === code - 128);
  return found?.[0];
}

function cancelledBefore(mechanism: LimitMechanism): SandboxResult {
  return {
    outcome: 'cancelled',
    exitCode: null,
    signal: null,
    ranOut: null,
    usage: { wallMilliseconds: 0, cpuSeconds: null, peakMemoryBytes: null },
    logs: { bytes: 0, truncated: false },
    outputs: { state: 'none' },
    artifacts: new Map(),
    mechanism,
  };
}

/** What is left in a stream whose writers are gone. */
async function readRest(reader: Readable): Promise<string> {
  let text = '';
  for await (const chunk of reader) {
    text = (text + (chunk as Buffer).toString('utf8')).slice(0, COMPLAINT_BYTES);
  }
  return text.trim();
}
