import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { digestOfBundle } from '@sluice/pure';
import type { KeptBuild } from './bisect.ts';

/** How long whoever started this program may take to bring one build's code. */
const FETCH_TIMEOUT_MS = 120_000;
const MAX_BUILDS = 1000;
const DIGEST = /^sha256:([0-9a-f]{64})$/;

/** Kept workflow code in a folder: `bundles.json` and a file `<hex of the digest>.js` for each. */
export interface KeptBuilds {
  /** Oldest first. */
  readonly list: readonly KeptBuild[];
  /** Path of its code; undefined when nobody has it, or it is not what its digest says. */
  findCode(build: KeptBuild): Promise<string | undefined>;
}

/** Brings a build's code into the folder; true when it did. */
export type FetchCode = (bundleDigest: string) => Promise<boolean>;

/**
 * Opens a folder of kept builds. `bundles.json` is an array of `{digest, buildId, firstSeenAt}`; a build whose file is
 * missing is asked of the program that started this one, where it listens.
 * @throws Error when `bundles.json` is missing or is something else
 */
export async function openKeptBuilds(
  folder: string,
  fetchCode: FetchCode | undefined = parentFetch(),
): Promise<KeptBuilds> {
  const list = readList(await readFile(join(folder, 'bundles.json'), 'utf8'), folder);
  const found = new Map<string, Promise<string | undefined>>();
  const find = async (digest: string): Promise<string | undefined> => {
    const path = join(folder, `${digest.slice('sha256:'.length)}.js`);
    if (await isCode(path, digest)) return path;
    const isBrought = (await fetchCode?.(digest)) ?? false;
    return isBrought && (await isCode(path, digest)) ? path : undefined;
  };
  return {
    list,
    findCode: ({ bundleDigest }) => {
      const path = found.get(bundleDigest) ?? find(bundleDigest);
      found.set(bundleDigest, path);
      return path;
    },
  };
}

async function isCode(path: string, digest: string): Promise<boolean> {
  try {
    return digestOfBundle(await readFile(path, 'utf8')) === digest;
  } catch {
    return false;
  }
}

function readList(text: string, folder: string): readonly KeptBuild[] {
  let rows: unknown;
  try {
    rows = JSON.parse(text);
  } catch {
    // Said below, for both.
  }
  const list = Array.isArray(rows) ? rows.slice(0, MAX_BUILDS).map(readRow) : [undefined];
  const builds = list.filter((row) => row !== undefined);
  if (builds.length < list.length) {
    throw new Error(
      `${join(folder, 'bundles.json')} is no list of {digest, buildId, firstSeenAt}. Export it again: sluice history export.`,
    );
  }
  return builds.sort((a, b) => Date.parse(a.firstSeenAt) - Date.parse(b.firstSeenAt));
}

function readRow(row: unknown): KeptBuild | undefined {
  const { digest, buildId, firstSeenAt } = (row ?? {}) as Record<string, unknown>;
  if (typeof digest !== 'string' || !DIGEST.test(digest)) return undefined;
  if (typeof buildId !== 'string' || typeof firstSeenAt !== 'string') return undefined;
  return Number.isNaN(Date.parse(firstSeenAt))
    ? undefined
    : { bundleDigest: digest, buildId, firstSeenAt };
}

/** Asks over the channel of whoever started this program: `{wanted: digest}`, answered by `{brought: digest, ok}`. */
function parentFetch(): FetchCode | undefined {
  // A channel alone says nothing: build tools and test runners have one, too, and would never answer.
  if (process.send === undefined || process.env['SLUICE_PARENT_ANSWERS'] !== 'yes')
    return undefined;
  return (digest) =>
    new Promise((resolve) => {
      const settle = (ok: boolean): void => {
        clearTimeout(timer);
        process.off('message', hear);
        process.off('disconnect', leave);
        resolve(ok);
      };
      const hear = (message: unknown): void => {
        const { brought, ok } = (message ?? {}) as { brought?: unknown; ok?: unknown };
        if (brought === digest) settle(ok === true);
      };
      const leave = (): void => settle(false);
      const timer = setTimeout(leave, FETCH_TIMEOUT_MS);
      process.on('message', hear);
      process.on('disconnect', leave);
      process.send?.({ wanted: digest }, (error: Error | null) => {
        if (error !== null) leave();
      });
    });
}
