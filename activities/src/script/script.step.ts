import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  maskSecrets,
  type SandboxProbe,
  type SandboxResult,
  type SandboxRun,
  type SandboxSecret,
} from '@sluice/sandbox';
import { FAILURES } from '@sluice/temporal-contract';
import { recordBlobs } from '../evidence/stored-document.ts';
import { activityFailure } from '../failures.ts';
import { readSecret } from '../secrets/read-secret.ts';
import type { StepTypeParts } from '../step/capability-parts.ts';
import { makeStepFolder } from '../step/step-folder.ts';
import {
  failedResult,
  type StepOutcome,
  type StepRun,
  type StepType,
  succeededResult,
} from '../step/step-type.ts';
import { assertGoodEnd, readOutputs, storeArtifacts } from './script-end.ts';
import { type ScriptInputs, scriptInputsOf, undoInputsOf } from './script-inputs.ts';
import { ScriptLog, showAsText } from './script-log.ts';
import { findRefusalCode, isSandboxGone, ScriptRefusal } from './script-refusal.ts';
import type { ScriptSandbox } from './script-sandbox.ts';
import {
  argumentsOf,
  collectFiles,
  environmentOf,
  limitsOf,
  type ScriptPurpose,
  timesOf,
} from './script-setup.ts';

/** What `script@1` is handed. */
export type ScriptParts = Pick<StepTypeParts, 'evidence' | 'ownsEvidence' | 'secrets' | 'sandbox'>;

/**
 * `script@1`: runs a script in a sandbox. It is run anew by each attempt, with the same idempotency key in its environment; a worker that
 * dies takes it along, so that two never run beside each other on one machine. A worker that has lost the sandbox which it began with runs
 * nothing, and counts no attempt: the script is another worker's.
 */
export function createScriptStep(parts: ScriptParts): StepType {
  return {
    type: 'script',
    version: 1,
    marksEffect: true,
    run: (run) => asOutcome(run, (inputs) => execute(parts, run, inputs, 'run')),
    compensate: (run) =>
      asOutcome(run, async (inputs) => {
        const undo = undoInputsOf(inputs);
        // Nothing that undoes it was declared: there is nothing to do.
        if (undo === undefined) return { result: succeededResult({}) };
        return execute(parts, run, undo, 'undo');
      }),
  };
}

/** What is wrong with the script, its inputs or what this worker was given is a failed result. */
async function asOutcome(
  run: StepRun,
  work: (inputs: ScriptInputs) => Promise<StepOutcome>,
): Promise<StepOutcome> {
  try {
    return await work(scriptInputsOf(run.inputs));
  } catch (error) {
    const code = findRefusalCode(error);
    if (code === undefined || run.scope.cancellation.aborted) throw error;
    return { result: failedResult(code, (error as Error).message) };
  }
}

async function execute(
  parts: ScriptParts,
  run: StepRun,
  inputs: ScriptInputs,
  purpose: ScriptPurpose,
): Promise<StepOutcome> {
  const { sandbox, probe } = await findSandbox(parts.sandbox);
  assertNetwork(sandbox, inputs);
  const { wallSeconds, graceMilliseconds } = timesOf(inputs.limits ?? {}, purpose, run);
  const limits = limitsOf(inputs.limits ?? {}, wallSeconds, probe);
  const environment = environmentOf(inputs, purpose, run);
  const secrets = await readSecrets(parts, run, inputs);
  const folder = await makeStepFolder('script');
  try {
    const files = await collectFiles(parts, inputs, limits.diskBytes, run, join(folder, 'files'));
    const workFolder = join(folder, 'kept');
    await mkdir(workFolder);
    const log = new ScriptLog(run.output);
    // Bringing the files may have taken long, and from here on the attempt counts.
    await findSandbox(parts.sandbox);
    await run.beginEffect?.();
    const result = await runIn(sandbox, purpose, {
      argv: argumentsOf(inputs),
      files,
      environment,
      secrets: new Map(
        [...secrets].map(([name, value]): [string, SandboxSecret] => [
          name,
          { value, asVariable: true },
        ]),
      ),
      network: inputs.network === 'all' ? 'host' : 'none',
      limits,
      artifacts: new Map(Object.entries(inputs.artifacts ?? {})),
      workFolder,
      signal: run.scope.cancellation,
      graceMilliseconds,
      showLog: showAsText,
      onLog: (chunk, stream) => log.push(chunk, stream),
    });
    log.end(result);
    const { outcome, exitCode, usage, mechanism } = result;
    run.log.info({ outcome, exitCode, usage, mechanism, purpose }, 'script ended');
    const values = [...secrets.values()];
    assertGoodEnd(result, wallSeconds, maskSecrets(log.lastLines, values));
    if (purpose === 'undo') return { result: succeededResult({}) };
    const outputs = readOutputs(result, inputs, values);
    const stored = await storeArtifacts(parts.evidence, result, run.scope.cancellation);
    const artifacts = Object.fromEntries([...stored].map(([name, { digest }]) => [name, digest]));
    return {
      result: succeededResult(artifacts, { exitCode: 0, artifacts, ...outputs }),
      record: (tx) => recordBlobs(tx, [...stored.values()]),
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Of what undoes a step no attempt is counted: a sandbox that goes in that very moment is no end of it either. */
async function runIn(
  sandbox: ScriptSandbox,
  purpose: ScriptPurpose,
  run: SandboxRun,
): Promise<SandboxResult> {
  try {
    return await sandbox.run(run);
  } catch (error) {
    if (purpose === 'undo' && isSandboxGone(error)) throw sandboxGone((error as Error).message);
    throw error;
  }
}

/**
 * @throws ScriptRefusal where this worker was given no sandbox; an `Unavailable` failure, which another attempt mends, where the one that it
 *   was given is gone
 */
async function findSandbox(
  sandbox: ScriptSandbox | undefined,
): Promise<{ readonly sandbox: ScriptSandbox; readonly probe: SandboxProbe }> {
  if (sandbox === undefined) {
    throw new ScriptRefusal(
      'sandbox-unavailable',
      'This worker was started without a sandbox: scripts are run by workers that have one.',
    );
  }
  const probe = await sandbox.probe();
  if (probe.usable) return { sandbox, probe };
  const gaps = probe.missing.filter(({ stops }) => stops);
  const why = (gaps.length === 0 ? probe.missing : gaps).map(
    ({ message, how }) => `${message} ${how}`,
  );
  throw sandboxGone(why.join(' '));
}

/** Workers are given a sandbox that was tried: what it lacks has been lost since, and other workers may have theirs. */
function sandboxGone(why: string): Error {
  return activityFailure(
    FAILURES.unavailable,
    `Nothing was run: this worker does not have the sandbox that the script needs, or has it no more. It is tried again until the step's deadline, by any worker that serves the queue "script". ${why}`,
  );
}

/** The network is granted by who runs the worker, not by who writes the pipeline. */
function assertNetwork({ network }: ScriptSandbox, inputs: ScriptInputs): void {
  if (inputs.network !== 'all' || network === 'all') return;
  throw new ScriptRefusal(
    'network-not-granted',
    'The script asks for "network: all", which this worker grants to no script, so nothing was run. Leave it out, or set SLUICE_SCRIPT_NETWORK=all ' +
      'on the workers that serve the queue "script": a script then reaches all that their machine reaches, its local services included.',
  );
}

async function readSecrets(
  { secrets }: ScriptParts,
  run: StepRun,
  inputs: ScriptInputs,
): Promise<ReadonlyMap<string, string>> {
  const values = new Map<string, string>();
  for (const [variable, name] of Object.entries(inputs.secrets ?? {})) {
    values.set(variable, await readSecret(run, secrets, name));
  }
  return values;
}
