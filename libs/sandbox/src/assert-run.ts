import { isAbsolute } from 'node:path';
import { isContainedPath } from './contained-file.ts';
import { SandboxError } from './sandbox-error.ts';
import type { SandboxLimits, SandboxRun } from './sandbox-run.ts';

const MOST_ARGUMENTS = 1024;
const MOST_ARGUMENT_BYTES = 131_072;
const MOST_VARIABLES = 512;
const MOST_FILES = 256;
const MOST_SECRETS = 64;
const MOST_SECRET_BYTES = 65_536;
const MOST_GRACE_MS = 60_000;
/** Shorter ones stand in many arguments without being meant. */
const TELLING_SECRET_BYTES = 6;
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]{0,255}$/;
const FILE_NAME = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;

/** Least and most of each limit. */
const BOUNDS: Readonly<Record<keyof SandboxLimits, readonly [number, number, 'whole' | 'any']>> = {
  wallSeconds: [0.001, 86_400, 'any'],
  memoryBytes: [8 << 20, 2 ** 40, 'whole'],
  diskBytes: [65_536, 2 ** 40, 'whole'],
  fileBytes: [1, 2 ** 40, 'whole'],
  processes: [1, 32_768, 'whole'],
  cpuSeconds: [0.001, 10_000_000, 'any'],
  cpus: [0.01, 1024, 'any'],
  logBytes: [1024, 2 ** 31, 'whole'],
};

/**
 * Looks at a run before anything is started.
 *
 * @throws SandboxError `sandbox-run-invalid`
 */
export function assertRun(run: SandboxRun): void {
  assertLimits(run.limits);
  assertCommand(run);
  assertFiles(run);
  assertEnvironment(run);
  const grace = run.graceMilliseconds ?? 0;
  demand(grace >= 0 && grace <= MOST_GRACE_MS, `grace must be from 0 to ${MOST_GRACE_MS} ms`);
  demand(isAbsolute(run.workFolder), 'the work folder must be an absolute path');
}

function assertLimits(limits: SandboxLimits): void {
  for (const [name, [least, most, kind]] of Object.entries(BOUNDS)) {
    const value = limits[name as keyof SandboxLimits];
    const optional = name === 'fileBytes' || name === 'cpuSeconds' || name === 'cpus';
    if (value === undefined && optional) continue;
    if (
      typeof value !== 'number' ||
      !(value >= least && value <= most) ||
      (kind === 'whole' && !Number.isInteger(value))
    ) {
      const wanted = `${kind === 'whole' ? 'a whole number' : 'a number'} from ${least} to ${most}`;
      throw new SandboxError(
        'sandbox-run-invalid',
        `The sandbox cannot keep the limit ${name} at ${String(value)}: give ${wanted}.`,
        { limit: name },
      );
    }
  }
}

function assertCommand({ argv, secrets }: SandboxRun): void {
  demand(argv.length > 0 && argv[0] !== '', 'there is no program to run');
  demand(argv[0]?.startsWith('-') === false, 'a program cannot begin with "-"');
  const bytes = argv.reduce((sum, argument) => sum + Buffer.byteLength(argument) + 1, 0);
  demand(
    argv.length <= MOST_ARGUMENTS && bytes <= MOST_ARGUMENT_BYTES,
    `at most ${MOST_ARGUMENTS} arguments of ${MOST_ARGUMENT_BYTES} bytes together`,
  );
  demand(!argv.some(hasNul), 'an argument holds a NUL character');
  for (const [name, { value }] of secrets ?? []) {
    const text = Buffer.from(value as Uint8Array);
    demand(
      text.length < TELLING_SECRET_BYTES ||
        !argv.some((argument) => Buffer.from(argument).includes(text)),
      `the secret "${name}" stands in an argument, which every user of the machine can read; read it from $SLUICE_SECRETS/${name}`,
    );
  }
}

function assertFiles({ files, artifacts }: SandboxRun): void {
  demand((files?.size ?? 0) <= MOST_FILES, `at most ${MOST_FILES} files`);
  for (const [path, file] of files ?? []) {
    demand(isContainedPath(path), `${JSON.stringify(path)} is no path inside the script's folder`);
    if ('path' in file) demand(isAbsolute(file.path), `the source of "${path}" must be absolute`);
  }
  demand((artifacts?.size ?? 0) <= MOST_SECRETS, `at most ${MOST_SECRETS} artifacts`);
  for (const [name, path] of artifacts ?? []) {
    demand(FILE_NAME.test(name), `${JSON.stringify(name)} is no name of an artifact`);
    demand(isContainedPath(path), `${JSON.stringify(path)} is no path inside the script's folder`);
  }
}

function assertEnvironment({ environment, secrets }: SandboxRun): void {
  const variables = Object.entries(environment ?? {});
  demand(variables.length <= MOST_VARIABLES, `at most ${MOST_VARIABLES} environment variables`);
  for (const [name, value] of variables) {
    demand(VARIABLE.test(name), `${JSON.stringify(name)} is no name of an environment variable`);
    demand(!hasNul(value), `the environment variable ${name} holds a NUL character`);
    demand(Buffer.byteLength(value) < MOST_ARGUMENT_BYTES, `${name} is longer than Linux takes`);
  }
  demand((secrets?.size ?? 0) <= MOST_SECRETS, `at most ${MOST_SECRETS} secrets`);
  for (const [name, { value, asVariable }] of secrets ?? []) {
    const text = Buffer.from(value as Uint8Array);
    demand(VARIABLE.test(name), `${JSON.stringify(name)} is no name of a secret`);
    demand(text.length <= MOST_SECRET_BYTES, `the secret "${name}" is over 64 KiB`);
    if (asVariable !== true) continue;
    demand(environment?.[name] === undefined, `${name} is both a variable and a secret`);
    demand(!text.includes(0), `the secret "${name}" holds a NUL byte: it cannot be a variable`);
    demand(
      Buffer.from(text.toString('utf8')).equals(text),
      `the secret "${name}" is not UTF-8: it cannot be a variable`,
    );
  }
}

function hasNul(text: string): boolean {
  return text.includes('\0');
}

function demand(holds: boolean, wrong: string): void {
  if (!holds) {
    throw new SandboxError('sandbox-run-invalid', `The sandbox cannot run this: ${wrong}.`);
  }
}
