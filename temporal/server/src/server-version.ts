import { execFile } from 'node:child_process';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { TemporalServerError } from './server-error.ts';

/** The versions of a Temporal CLI and of the server inside it. */
export type ServerVersion = { readonly cli: string; readonly server: string };

/**
 * Asks a `temporal` executable for its versions.
 *
 * @throws TemporalServerError `temporal-not-runnable` when it does not run or answers something
 *   else.
 */
export async function readServerVersion(executable: string): Promise<ServerVersion> {
  const output = await new Promise<string>((resolve, reject) => {
    execFile(executable, ['--version'], { timeout: 30_000 }, (error, stdout) =>
      error === null
        ? resolve(stdout)
        : reject(
            new TemporalServerError(
              'temporal-not-runnable',
              `"${executable} --version" did not run: ${error.message.trim()}. Name a working temporal CLI.`,
              { cause: error },
            ),
          ),
    );
  });
  const match = /version v?(\d+\.\d+\.\d+)\S* \(Server v?(\d+\.\d+\.\d+)/.exec(output);
  if (match?.[1] === undefined || match[2] === undefined) {
    throw new TemporalServerError(
      'temporal-not-runnable',
      `"${executable} --version" answered "${output.trim().slice(0, 200)}", which is not a temporal CLI. Name a working one.`,
    );
  }
  return { cli: match[1], server: match[2] };
}

/**
 * Refuses a data file that a newer server wrote: its schema may have moved on, and Temporal cannot
 * go back. A data file without a remembered version passes.
 *
 * @throws TemporalServerError `temporal-folder-newer` naming the version to use and `--reset`.
 */
export async function assertFolderNotNewer(dbFile: string, running: ServerVersion): Promise<void> {
  const remembered = await findRememberedVersion(dbFile);
  if (remembered !== undefined && compareVersions(remembered.server, running.server) > 0) {
    throw new TemporalServerError(
      'temporal-folder-newer',
      `The Temporal data in ${dbFile} was written by server ${remembered.server} (CLI ${remembered.cli}), ` +
        `newer than the server ${running.server} (CLI ${running.cli}) found now. ` +
        `Use temporal CLI ${remembered.cli} or newer, or start from nothing with --reset.`,
    );
  }
}

/** Writes beside the data file which server runs on it. Call it when the server answers. */
export async function rememberServerVersion(dbFile: string, running: ServerVersion): Promise<void> {
  const file = versionFile(dbFile);
  await writeFile(`${file}.new`, `${JSON.stringify(running)}\n`);
  await rename(`${file}.new`, file);
}

async function findRememberedVersion(dbFile: string): Promise<ServerVersion | undefined> {
  try {
    return JSON.parse(await readFile(versionFile(dbFile), 'utf8')) as ServerVersion;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      return undefined;
    }
    throw new TemporalServerError(
      'temporal-folder-newer',
      `${versionFile(dbFile)} cannot be read, so it is unknown which Temporal wrote the data beside it. ` +
        'Restore the file, or start from nothing with --reset.',
      { cause: error },
    );
  }
}

function versionFile(dbFile: string): string {
  return `${dbFile}.version.json`;
}

function compareVersions(left: string, right: string): number {
  const [a, b] = [left.split('.').map(Number), right.split('.').map(Number)];
  for (let index = 0; index < 3; index += 1) {
    const difference = (a[index] ?? 0) - (b[index] ?? 0);
    if (difference !== 0) {
      return difference;
    }
  }
  return 0;
}
