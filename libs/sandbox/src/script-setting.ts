import { createReadStream } from 'node:fs';
import { MADE_SETTINGS, OUTPUTS_FILE, SCRIPT_FOLDER, SECRETS_FOLDER } from './root-view.ts';
import type { SandboxContent } from './sandbox-child.ts';
import { SandboxError } from './sandbox-error.ts';
import type { SandboxFile, SandboxRun } from './sandbox-run.ts';

const PROGRAM_FOLDERS = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const PAGE_BYTES = 4096;
/** For the folder itself. */
const SPARE_PAGES = 16;

/** Files that are put into the sandbox before the script starts. */
export function listContents(run: SandboxRun): SandboxContent[] {
  return [
    ...[...MADE_SETTINGS].map(([path, text]) => contentOf(path, '0444', { content: text })),
    ...[...(run.files ?? [])].map(([path, file]) =>
      contentOf(`${SCRIPT_FOLDER}/${path}`, file.executable === true ? '0755' : '0644', file),
    ),
    ...[...(run.secrets ?? [])].map(([name, { value }]) =>
      contentOf(`${SECRETS_FOLDER}/${name}`, '0400', { content: value }),
    ),
  ];
}

/** bubblewrap's arguments for a place in memory that only the script sees; before the contents. */
export function secretsFolderArguments(run: SandboxRun): string[] {
  if ((run.secrets?.size ?? 0) === 0) return [];
  const pages = [...(run.secrets?.values() ?? [])].reduce(
    (sum, { value }) => sum + Math.ceil(Buffer.byteLength(value) / PAGE_BYTES) + 1,
    SPARE_PAGES,
  );
  return ['--perms', '0700', '--size', `${pages * PAGE_BYTES}`, '--tmpfs', SECRETS_FOLDER];
}

/** bubblewrap's arguments after the contents: nothing can be written any more, and the environment. */
export function closingArguments(run: SandboxRun): string[] {
  const hasSecrets = (run.secrets?.size ?? 0) > 0;
  const variables: Record<string, string> = {
    PATH: PROGRAM_FOLDERS,
    HOME: SCRIPT_FOLDER,
    ...run.environment,
    SLUICE_OUTPUTS: `${SCRIPT_FOLDER}/${OUTPUTS_FILE}`,
    ...(hasSecrets ? { SLUICE_SECRETS: SECRETS_FOLDER } : {}),
  };
  for (const [name, { value, asVariable }] of run.secrets ?? []) {
    if (asVariable === true) variables[name] = Buffer.from(value as Uint8Array).toString('utf8');
  }
  return [
    ...(hasSecrets ? ['--remount-ro', SECRETS_FOLDER] : []),
    ...['--remount-ro', '/'],
    ...Object.entries(variables).flatMap(([name, value]) => ['--setenv', name, value]),
  ];
}

function contentOf(destination: string, mode: string, file: SandboxFile): SandboxContent {
  return {
    destination,
    mode,
    write: (into) =>
      new Promise((resolve, reject) => {
        const fail = (cause?: Error): void => {
          const message = `${destination} could not be put into the sandbox`;
          const why = cause === undefined ? '' : `: ${cause.message}`;
          reject(new SandboxError('sandbox-start-failed', `${message}${why}.`, { cause }));
        };
        into.once('finish', resolve);
        into.once('error', fail);
        into.once('close', () => fail());
        if ('content' in file) {
          into.end(file.content);
          return;
        }
        const source = createReadStream(file.path);
        source.once('error', (error) => {
          fail(error);
          into.destroy();
        });
        source.pipe(into);
      }),
  };
}
