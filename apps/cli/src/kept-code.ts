import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { isDigest } from '@sluice/domain';
import type { ApiClient } from './api-client.ts';
import { CliError, EXIT_CODES } from './exit-codes.ts';
import type { BundleView } from './history-operations.ts';
import { OPERATIONS } from './operations.ts';

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

/** Writes what the replay tool finds kept builds by; their code comes when it is asked for. */
export function writeBundleList(folder: string, bundles: readonly BundleView[]): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const rows = bundles.map(({ digest, buildId, firstSeenAt }) => ({
    digest,
    buildId,
    firstSeenAt,
  }));
  const path = join(folder, 'bundles.json');
  writeFileSync(path, `${JSON.stringify(rows, null, 2)}\n`, { mode: 0o600 });
}

/**
 * Brings kept code into a folder, unless it lies there already.
 * @returns its path: `<hex of the digest>.js`, with `{digest, buildId}` in a `.json` beside it
 * @throws CliError `bundle-not-kept`, `digest-differs`
 */
export async function fetchCode(api: ApiClient, digest: string, folder: string): Promise<string> {
  if (!isDigest(digest)) throw notKept(digest);
  const name = digest.slice('sha256:'.length);
  const path = join(folder, `${name}.js`);
  if (existsSync(path)) return path;
  const { workflowCode } = await api.run<{
    workflowCode: { readonly bundle: BundleView; readonly content: string } | null;
  }>(OPERATIONS.workflowCode, { digest });
  if (workflowCode === null) throw notKept(digest);
  const code = unpack(workflowCode.content);
  if (code === undefined || digestOfCode(code) !== digest) {
    const message = `The workflow code ${digest} is not what its digest says.`;
    throw new CliError(EXIT_CODES.failed, 'digest-differs', message, 'Ask again.');
  }
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { buildId } = workflowCode.bundle;
  writeFileSync(join(folder, `${name}.json`), `${JSON.stringify({ digest: name, buildId })}\n`);
  writeFileSync(path, code, { mode: 0o600 });
  return path;
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

/** SHA-256 without the source map, which holds the absolute paths of one machine. */
function digestOfCode(code: string): string {
  const bare = code.replace(/\n\/\/# sourceMappingURL=[^\n]*\s*$/, '');
  return `sha256:${createHash('sha256').update(bare).digest('hex')}`;
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
