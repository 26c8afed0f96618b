import type { ClosureMember } from './closure/narinfo.ts';
import { NixLog } from './log/nix-log.ts';
import type { Nix } from './nix.ts';
import { NixError, printable } from './nix-error.ts';
import { parseNarHash } from './nix-hash.ts';
import { storeArguments, storeDirOf } from './run/nix-environment.ts';
import { runNix } from './run/run-nix.ts';
import { parseStorePath } from './store-path.ts';

/** What Nix has recorded of a store path. */
export interface PathInfo extends ClosureMember {
  /** Derivation that it was built from; null for sources, and when it is not known. */
  readonly deriver: string | null;
}

/** How Nix is asked. */
export interface PathInfoOptions {
  readonly signal?: AbortSignal;
  /** Also of everything that the paths refer to. */
  readonly closure?: boolean;
}

const TIMEOUT_MS = 120_000;
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;
const MAX_LOG_BYTES = 1024 * 1024;

/**
 * Asks Nix for what it has recorded of store paths, sorted by path.
 * @throws NixError `store-path-invalid` when a path is none or is not in the store, `nix-failed`, and as {@link runNix}
 */
export async function listPathInfos(
  nix: Nix,
  storePaths: readonly string[],
  options: PathInfoOptions = {},
): Promise<readonly PathInfo[]> {
  const storeDir = storeDirOf(nix.store);
  if (storePaths.length === 0) return [];
  const log = new NixLog(MAX_LOG_BYTES, undefined);
  const { status, stdout } = await runNix(nix, {
    program: 'nix',
    args: [
      'path-info',
      '--json',
      '--log-format',
      'internal-json',
      ...storeArguments(nix.store),
      ...(options.closure === true ? ['--recursive'] : []),
      ...storePaths.map((path) => parseStorePath(path, storeDir).path),
    ],
    ...(options.signal === undefined ? {} : { signal: options.signal }),
    timeoutMs: TIMEOUT_MS,
    maxOutputBytes: MAX_OUTPUT_BYTES,
    onLine: (line) => log.take(line),
  });
  const error = log.errors[0]?.text ?? log.lastLines(undefined).at(-1) ?? '';
  if (status !== 0) {
    const code = /is not valid|not exist|No such file/.test(error)
      ? 'store-path-invalid'
      : 'nix-failed';
    throw new NixError(
      code,
      `Nix does not know "${printable(storePaths.join(' '))}": ${printable(error)}. Build it first.`,
    );
  }
  const infos = entriesOf(JSON.parse(stdout)).map((entry) => readInfo(entry, storeDir));
  return infos.sort((a, b) => (a.storePath < b.storePath ? -1 : 1));
}

/** A list up to Nix 2.18, an object by path since. */
function entriesOf(json: unknown): readonly Readonly<Record<string, unknown>>[] {
  if (Array.isArray(json)) return json;
  return Object.entries(json as Record<string, object | null>).map(([path, info]) => ({
    ...info,
    path,
  }));
}

function readInfo(entry: Readonly<Record<string, unknown>>, storeDir: string): PathInfo {
  const { path, narHash, narSize, references, deriver } = entry;
  const isWhole =
    typeof path === 'string' &&
    typeof narHash === 'string' &&
    Number.isSafeInteger(narSize) &&
    Array.isArray(references);
  if (!isWhole) {
    throw new NixError(
      'store-path-invalid',
      `Nix has nothing recorded of "${printable(String(path))}". Build it first.`,
    );
  }
  const paths = references.map((reference: unknown) => parseStorePath(String(reference), storeDir));
  return {
    storePath: parseStorePath(path, storeDir).path,
    narHash: parseNarHash(narHash).digest,
    narSize: narSize as number,
    references: paths.map((reference) => reference.path).sort(),
    deriver: typeof deriver === 'string' && deriver.endsWith('.drv') ? deriver : null,
  };
}
