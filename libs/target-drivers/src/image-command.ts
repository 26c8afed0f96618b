import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { SettingValue } from '@sluice/domain';
import type { ImageConfig } from '@sluice/oci';
import { DriverError } from './driver-error.ts';

const MAX_SECRET_BYTES = 64 * 1024;

/** What is run: program and arguments. */
export type ImageCommand = readonly [program: string, ...args: string[]];

/**
 * Entrypoint and Cmd of an image, one after the other.
 * @throws DriverError `image-without-command`
 */
export function imageCommand(
  image: Pick<ImageConfig, 'entrypoint' | 'cmd'>,
  digest: string,
): ImageCommand {
  const [program, ...args] = [...image.entrypoint, ...image.cmd];
  if (program === undefined || program === '') {
    throw new DriverError(
      'image-without-command',
      `Image ${digest} has neither Entrypoint nor Cmd: nothing can be run. Add one to the image.`,
    );
  }
  return [program, ...args];
}

/**
 * The environment of a service: the host's PATH, over it the image's Env (its PATH left out, for there is no
 * chroot in which it would be true), over it the target's settings with secrets resolved.
 * @param secretsDir folder with one file per secret; undefined when this agent has none
 * @throws DriverError `setting-invalid`, `secret-missing`
 */
export async function serviceEnvironment(options: {
  readonly hostPath: string;
  readonly imageEnv: readonly string[];
  readonly settings: Readonly<Record<string, SettingValue>>;
  readonly secretsDir: string | undefined;
}): Promise<Readonly<Record<string, string>>> {
  const environment: Record<string, string> = {};
  for (const line of options.imageEnv) {
    const equals = line.indexOf('=');
    environment[line.slice(0, equals)] = line.slice(equals + 1);
  }
  environment.PATH = options.hostPath;
  for (const [name, value] of Object.entries(options.settings)) {
    if (!/^[A-Za-z_][A-Za-z0-9_]{0,127}$/.test(name)) {
      throw new DriverError(
        'setting-invalid',
        `Setting "${name.slice(0, 60)}" can not be an environment variable: use letters, digits and _.`,
      );
    }
    const text =
      typeof value === 'string' ? value : await readSecret(name, value.secret, options.secretsDir);
    if (text.includes('\0')) {
      throw new DriverError('setting-invalid', `Setting ${name} has a NUL byte in its value.`);
    }
    environment[name] = text;
  }
  return environment;
}

/** One newline at the end is not part of a secret: editors and `echo` add it. */
async function readSecret(
  setting: string,
  secret: string,
  secretsDir: string | undefined,
): Promise<string> {
  const missing = (problem: string) =>
    new DriverError(
      'secret-missing',
      `Setting ${setting} needs the secret "${secret.slice(0, 60)}": ${problem}.`,
    );
  if (!/^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/.test(secret)) throw missing('that is no file name');
  if (secretsDir === undefined) {
    throw missing('this agent has no secrets folder; set SLUICE_AGENT_SECRETS_DIR');
  }
  const path = join(secretsDir, secret);
  const found = await stat(path).catch(() => undefined);
  if (found === undefined || !found.isFile()) throw missing(`put its value into the file ${path}`);
  if (found.size > MAX_SECRET_BYTES) throw missing(`${path} has over ${MAX_SECRET_BYTES} bytes`);
  const text = await readFile(path, 'utf8').catch(() => {
    throw missing(`${path} can not be read by this agent's user`);
  });
  return text.replace(/\r?\n$/, '');
}
