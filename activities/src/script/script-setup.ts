import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { isCourse } from '@sluice/domain';
import { canonicalJson } from '@sluice/pure';
import type { SandboxFile, SandboxLimits, SandboxProbe } from '@sluice/sandbox';
import type { StepTypeParts } from '../step/capability-parts.ts';
import type { StepRun } from '../step/step-type.ts';
import type { ScriptInputs, ScriptLimits } from './script-inputs.ts';
import { ScriptRefusal } from './script-refusal.ts';

const MIB = 1024 * 1024;
/** Name of the script in its folder. */
const SCRIPT_FILE = 'sluice-script';
/** Where its `input` lies. */
const INPUT_FILE = 'inputs.json';
const DEFAULT_INTERPRETER = ['/bin/sh', '-eu'];
/** Of a script that comes by its digest. */
const MAX_SCRIPT_BYTES = 16 * MIB;
/** Share of the step's time that the script may have; the rest is for ending it and for what it made. */
const SCRIPT_SHARE = 0.9;
const DEFAULT_TIMEOUT_SECONDS = 600;
const LONGEST_GRACE_MS = 5000;
/** For recording what came of it, before the last moment for all attempts. Milliseconds. */
const END_RESERVE_MS = 3000;

/** Of `SLUICE_MEMBER`. */
const MAX_MEMBER_BYTES = 64 * 1024;

/** Its own variables begin so. */
const OWN_VARIABLE = 'SLUICE_';

/** What a script does: its own work, or putting it back. */
export type ScriptPurpose = 'run' | 'undo';

/** How the script is called. */
export function argumentsOf(inputs: ScriptInputs): readonly string[] {
  const interpreter = inputs.interpreter ?? DEFAULT_INTERPRETER;
  return [...interpreter, `./${SCRIPT_FILE}`, ...(inputs.arguments ?? [])];
}

/** What is in its environment beside PATH and HOME, secrets and the sandbox's own. */
export function environmentOf(
  inputs: ScriptInputs,
  purpose: ScriptPurpose,
  { input, promotion, scope, member, idempotencyKey }: StepRun,
): Record<string, string> {
  for (const name of [
    ...Object.keys(inputs.environment ?? {}),
    ...Object.keys(inputs.secrets ?? {}),
  ]) {
    if (!name.startsWith(OWN_VARIABLE)) continue;
    throw new ScriptRefusal(
      'input-invalid',
      `The variable ${name} cannot be declared: names with ${OWN_VARIABLE} are Sluice's own.`,
    );
  }
  return {
    ...inputs.environment,
    SLUICE_TENANT: input.promotion.tenantId,
    SLUICE_PROMOTION: promotion.promotionId,
    SLUICE_ENVIRONMENT: promotion.environment,
    SLUICE_RELEASE: promotion.releaseDigest,
    SLUICE_STEP: input.stepId,
    SLUICE_ATTEMPT: `${scope.attempt}`,
    SLUICE_IDEMPOTENCY_KEY: idempotencyKey,
    ...memberVariable(member),
    ...(purpose === 'undo' ? { SLUICE_UNDO: 'true' } : {}),
  };
}

/** Linux takes no variable of any size: a larger member comes by `input`. */
function memberVariable(member: StepRun['member']): Readonly<Record<string, string>> {
  if (member === undefined) return {};
  const text = typeof member === 'string' ? member : canonicalJson(member);
  return Buffer.byteLength(text) > MAX_MEMBER_BYTES ? {} : { SLUICE_MEMBER: text };
}

/** How long it may take, and how long it is asked to end before it is ended. */
export function timesOf(
  { seconds }: ScriptLimits,
  purpose: ScriptPurpose,
  { rules, input, scope }: StepRun,
): { readonly wallSeconds: number; readonly graceMilliseconds: number } {
  const step = isCourse(rules.pipeline)
    ? rules.pipeline.steps.find(({ id }) => id === input.stepId)
    : undefined;
  const timeout =
    (purpose === 'undo' ? step?.compensationSeconds : step?.timeoutSeconds) ??
    DEFAULT_TIMEOUT_SECONDS;
  const share = timeout * SCRIPT_SHARE;
  // A time of its own that fits the timeout may use more of it than the share.
  const wanted = seconds === undefined ? share : seconds < timeout ? seconds : share;
  const left =
    scope.deadline === undefined
      ? Number.POSITIVE_INFINITY
      : (scope.deadline - END_RESERVE_MS - Date.now()) / 1000;
  const wallSeconds = Math.min(wanted, left);
  if (wallSeconds <= 0) {
    throw new ScriptRefusal(
      'script-timed-out',
      'No time is left for the script: earlier attempts, or waiting for a worker, have taken it. Raise timeoutSeconds.',
    );
  }
  const rest = Math.max(0, timeout - wallSeconds) * 500;
  return { wallSeconds, graceMilliseconds: Math.min(LONGEST_GRACE_MS, rest) };
}

/** The limits of the sandbox. */
export function limitsOf(
  limits: ScriptLimits,
  wallSeconds: number,
  probe: SandboxProbe,
): SandboxLimits {
  const memoryMiB = limits.memoryMiB ?? 512;
  const diskMiB = limits.diskMiB ?? Math.ceil(memoryMiB / 2);
  if (diskMiB > memoryMiB) {
    throw new ScriptRefusal(
      'input-invalid',
      `limits.diskMiB is ${diskMiB} and limits.memoryMiB ${memoryMiB}: a script's files lie in its memory. Raise memoryMiB above diskMiB.`,
    );
  }
  // Where nothing keeps it, only who asked for it is refused.
  const cpus = limits.cpus ?? (probe.limits?.kept.includes('cpus') === true ? 1 : undefined);
  return {
    wallSeconds,
    memoryBytes: memoryMiB * MIB,
    diskBytes: diskMiB * MIB,
    processes: limits.processes ?? 64,
    ...(cpus === undefined ? {} : { cpus }),
    logBytes: limits.logBytes ?? 8_000_000,
  };
}

/** Brings the script and its files from the evidence store to a folder of this machine. */
export async function collectFiles(
  { evidence, ownsEvidence }: Pick<StepTypeParts, 'evidence' | 'ownsEvidence'>,
  inputs: ScriptInputs,
  diskBytes: number,
  run: StepRun,
  folder: string,
): Promise<Map<string, SandboxFile>> {
  const files = new Map<string, SandboxFile>();
  const wanted = Object.entries(inputs.files ?? {});
  const own = [
    [SCRIPT_FILE, 'the script itself'],
    ...(inputs.input === undefined ? [] : [[INPUT_FILE, 'its input']]),
  ];
  for (const [name, what] of own) {
    if (!wanted.some(([path]) => path === name)) continue;
    throw new ScriptRefusal(
      'input-invalid',
      `files has "${name}": ${what} has that name. Take another one.`,
    );
  }
  await mkdir(folder);
  let room = diskBytes;
  if (inputs.input !== undefined) {
    const content = canonicalJson(inputs.input);
    const bytes = Buffer.byteLength(content);
    if (bytes > room) {
      throw new ScriptRefusal(
        'input-invalid',
        `input has ${bytes} bytes, and there is room for ${room}. Raise limits.diskMiB and memoryMiB.`,
      );
    }
    room -= bytes;
    files.set(INPUT_FILE, { content });
  }
  const fetch = async (digest: string, most: number, what: string): Promise<string> => {
    // What another tenant put into the store is none of its files.
    const isOwn = await ownsEvidence(run.input.promotion.tenantId, digest);
    const size = isOwn ? await evidence.findSize(digest) : undefined;
    if (size === undefined) {
      throw new ScriptRefusal('input-unavailable', `${what}: ${digest} is not in the evidence.`);
    }
    if (size > Math.min(most, room)) {
      throw new ScriptRefusal(
        'input-invalid',
        `${what}: ${digest} has ${size} bytes, and there is room for ${Math.min(most, room)}. Raise limits.diskMiB and memoryMiB.`,
      );
    }
    room -= size;
    const path = join(folder, `${files.size}`);
    const content = await evidence.get(digest);
    await pipeline(content, createWriteStream(path, { flags: 'wx', mode: 0o600 }), {
      signal: run.scope.cancellation,
    });
    return path;
  };
  if (inputs.source !== undefined) {
    files.set(SCRIPT_FILE, { content: inputs.source, executable: true });
  } else {
    const path = await fetch(inputs.file ?? '', MAX_SCRIPT_BYTES, 'file');
    files.set(SCRIPT_FILE, { path, executable: true });
  }
  for (const [name, digest] of wanted) {
    files.set(name, { path: await fetch(digest, Number.POSITIVE_INFINITY, `files["${name}"]`) });
  }
  return files;
}
