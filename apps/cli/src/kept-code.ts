import { randomUUID } from 'node:crypto';
import { lstatSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { isDigest } from '@sluice/domain';
import { digestOfBundle } from '@sluice/pure';
import type { ApiClient } from './api-client.ts';
import { CliError, EXIT_CODES } from './exit-codes.ts';
import type { BundleView } from './history-operations.ts';
import { OPERATIONS } from './operations.ts';
import { clause } from './text-layout.ts';

const MAX_CODE_BYTES = 64 * 1024 * 1024;

/**
 * Workflow code that was kept, oldest first.
 * @throws CliError
 */
export async function listKeptBundles(api: ApiClient): Promise<readonly BundleView[]> {
  const { workflowBundles } = await api.run<{ workflowBundles: readonly BundleView[] }>(
    OPERATIONS.workflowBundles,
  );
  return workflowBundles;
}

/**
 * Writes what the replay tool finds kept builds by; their code comes when it is asked for.
 * @throws CliError `file-unwritable`
 */
export function writeBundleList(folder: string, bundles: readonly BundleView[]): void {
  const rows = bundles.map(({ digest, buildId, firstSeenAt }) => ({
    digest,
    buildId,
    firstSeenAt,
  }));
  writeBeside(folder, 'bundles.json', `${JSON.stringify(rows, null, 2)}\n`);
}

/**
 * Brings kept code into a folder, unless a file that is what its name says lies there already.
 * @returns its path: `<hex of the digest>.js`, with `{digest, buildId}` in a `.json` beside it
 * @throws CliError `bundle-not-kept`, `digest-differs`, `file-unwritable`
 */
export async function fetchCode(api: ApiClient, digest: string, folder: string): Promise<string> {
  if (!isDigest(digest)) throw notKept(digest);
  const name = digest.slice('sha256:'.length);
  const path = join(folder, `${name}.js`);
  if (isCode(path, digest)) return path;
  const { workflowCode } = await api.run<{
    workflowCode: { readonly bundle: BundleView; readonly content: string } | null;
  }>(OPERATIONS.workflowCode, { digest });
  if (workflowCode === null) throw notKept(digest);
  const code = unpack(workflowCode.content);
  if (code === undefined || digestOfBundle(code) !== digest) {
    const message = `The workflow code ${digest} is not what its digest says.`;
    throw new CliError(EXIT_CODES.failed, 'digest-differs', message, 'Ask again.');
  }
  const { buildId } = workflowCode.bundle;
  writeBeside(folder, `${name}.json`, `${JSON.stringify({ digest: name, buildId })}\n`);
  writeBeside(folder, `${name}.js`, code);
  return path;
}

/** A link is none, whatever it leads to: it could lead elsewhere when the code is loaded. */
function isCode(path: string, digest: string): boolean {
  try {
    const found = lstatSync(path);
    if (!found.isFile() || found.size > MAX_CODE_BYTES) return false;
    return digestOfBundle(readFileSync(path, 'utf8')) === digest;
  } catch {
    return false;
  }
}

/** Whole or not at all; never through a link that lies there, nor into a folder that is one. */
function writeBeside(folder: string, fileName: string, content: string): void {
  const path = join(folder, fileName);
  const aside = join(folder, `.${fileName}.${randomUUID()}`);
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    if (!lstatSync(folder).isDirectory()) throw new Error('its folder is a link');
    writeFileSync(aside, content, { flag: 'wx', mode: 0o600 });
    renameSync(aside, path);
  } catch (error) {
    rmSync(aside, { force: true });
    const message = `${path} cannot be written: ${clause((error as Error).message)}.`;
    throw new CliError(EXIT_CODES.usage, 'file-unwritable', message, 'Look at that folder.');
  }
}

/**
 * The kept bundle of a build.
 * @param build its id, or as much of its beginning as only one has
 * @throws CliError `build-not-kept`, `build-ambiguous`
 */
export function findBuild(bundles: readonly BundleView[], build: string): BundleView {
  const exact = bundles.filter(({ buildId }) => buildId === build);
  const matches = exact.length > 0 ? exact : bundles.filter((b) => b.buildId.startsWith(build));
  const newest = matches.at(-1);
  if (newest !== undefined && new Set(matches.map(({ buildId }) => buildId)).size === 1) {
    return newest;
  }
  const ids = [...new Set((matches.length > 0 ? matches : bundles).map((b) => b.buildId))];
  const known = `${ids.slice(-10).join(', ') || 'none'}${ids.length > 10 ? ', and older ones' : ''}`;
  if (newest !== undefined) {
    const message = `"${build}" can mean ${known}.`;
    throw new CliError(EXIT_CODES.usage, 'build-ambiguous', message, 'Write more of it.');
  }
  const message = `The code of build ${build} was not kept.`;
  throw new CliError(EXIT_CODES.failed, 'build-not-kept', message, `Kept: ${known}.`);
}

function unpack(content: string): string | undefined {
  try {
    const bytes = gunzipSync(Buffer.from(content, 'base64'), { maxOutputLength: MAX_CODE_BYTES });
    return bytes.toString('utf8');
  } catch {
    return undefined;
  }
}

function notKept(digest: string): CliError {
  const message = `The workflow code ${digest} was not kept.`;
  return new CliError(EXIT_CODES.failed, 'bundle-not-kept', message, 'Name a file with --bundle.');
}
