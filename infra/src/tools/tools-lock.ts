import { readFile } from 'node:fs/promises';
import { ToolError } from './tool-error.ts';

const LOCK_URL = new URL('../../tools/tools.lock.json', import.meta.url);
const SHA256 = /^[0-9a-f]{64}$/;

/** What a tool is needed for. */
export type ToolUse = 'demo' | 'test';

/** One wheel of one platform and the executable inside it. */
export type WheelFile = {
  readonly file: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly innerPath: string;
  readonly innerSha256: string;
};

/**
 * A wheel on PyPI; platforms are `<process.platform>-<process.arch>`, an absent one has no wheel.
 */
export type WheelOrigin = {
  readonly kind: 'wheel';
  readonly package: string;
  readonly version: string;
  readonly platforms: Readonly<Record<string, WheelFile>>;
};

/** A Go module that is built; the Go checksum database is what is trusted. */
export type GoOrigin = {
  readonly kind: 'go';
  readonly module: string;
  readonly version: string;
  /** The variable that holds the version where the program does not know it from its build. */
  readonly versionVariable?: string;
};

/** A package of Debian that apt installs; the distribution's signatures are what is trusted. */
export type DebianOrigin = {
  readonly kind: 'debian';
  readonly package: string;
  /** The service that comes with it; it is neither started nor enabled. */
  readonly service?: string;
};

/** One tool of the lock. */
export type LockedTool = {
  readonly name: string;
  readonly version: string;
  /** Versions on PATH that are taken instead. */
  readonly onPath: string;
  readonly versionArguments: readonly string[];
  readonly purpose: string;
  readonly for: readonly ToolUse[];
  /** Used for these where it is there, and never got for them. */
  readonly offeredFor?: readonly ToolUse[];
  readonly licence: string;
  readonly originNote: string;
  readonly origin: WheelOrigin | GoOrigin | DebianOrigin;
};

/** The one lock of all tools that Sluice takes from outside npm. */
export type ToolsLock = { readonly tools: readonly LockedTool[] };

/**
 * Reads the lock.
 *
 * @throws ToolError `tool-lock-invalid` naming the tool whose entry is wrong.
 */
export async function loadToolsLock(file: URL = LOCK_URL): Promise<ToolsLock> {
  const lock = JSON.parse(await readFile(file, 'utf8')) as { schema?: unknown } & ToolsLock;
  if (lock.schema !== 'sluice.tools-lock/v1' || !Array.isArray(lock.tools)) {
    throw new ToolError(
      'tool-lock-invalid',
      `${file.pathname} is not a sluice.tools-lock/v1 file.`,
    );
  }
  for (const tool of lock.tools) {
    if (!isLockedTool(tool)) {
      throw new ToolError(
        'tool-lock-invalid',
        `${file.pathname}: the entry "${String((tool as LockedTool).name)}" is incomplete; every wheel needs both SHA-256 sums.`,
      );
    }
  }
  return lock;
}

/** @throws ToolError `tool-unknown` when the lock has no such tool. */
export function getLockedTool(lock: ToolsLock, name: string): LockedTool {
  const tool = lock.tools.find((candidate) => candidate.name === name);
  if (tool === undefined) {
    const known = lock.tools.map((candidate) => candidate.name).join(', ');
    throw new ToolError('tool-unknown', `The tool lock has no "${name}"; it has ${known}.`);
  }
  return tool;
}

function isLockedTool(tool: LockedTool): boolean {
  const texts = [tool.name, tool.version, tool.onPath, tool.purpose, tool.licence, tool.originNote];
  if (!texts.every((text) => typeof text === 'string' && text !== '')) {
    return false;
  }
  if (!Array.isArray(tool.for) || !Array.isArray(tool.versionArguments)) {
    return false;
  }
  switch (tool.origin.kind) {
    case 'go':
      return tool.origin.module !== '' && tool.origin.version.startsWith('v');
    case 'debian':
      return /^[a-z0-9][a-z0-9+.-]+$/.test(tool.origin.package);
    default:
      return Object.values(tool.origin.platforms).every(
        (wheel) => SHA256.test(wheel.sha256) && SHA256.test(wheel.innerSha256),
      );
  }
}
