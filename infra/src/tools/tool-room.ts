import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

/** Everything around the tools that a test may replace. */
export type ToolRoom = {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** `<process.platform>-<process.arch>`. */
  readonly platform: string;
  readonly cacheFolder: string;
  /** Folders that are searched after those of PATH for what belongs to the system. */
  readonly systemFolders: readonly string[];
  /** True when packages of the system may be installed. */
  readonly isRoot: boolean;
  /** What Debian's packages ask before they start a service. */
  readonly servicePolicyFile: string;
  /** Where progress lines go. */
  readonly progress: (line: string) => void;
};

/** The real surroundings: this machine's environment, cache folder and standard error. */
export function getToolRoom(overrides: Partial<ToolRoom> = {}): ToolRoom {
  const env = overrides.env ?? process.env;
  return {
    env,
    platform: `${process.platform}-${process.arch}`,
    cacheFolder: getCacheFolder(env),
    systemFolders: ['/usr/bin', '/usr/local/bin', '/usr/sbin'],
    isRoot: process.getuid?.() === 0,
    servicePolicyFile: '/usr/sbin/policy-rc.d',
    progress: (line) => process.stderr.write(`${line}\n`),
    ...overrides,
  };
}

/**
 * The one folder for everything downloaded or built: `$SLUICE_CACHE`, else
 * `$XDG_CACHE_HOME/sluice`, else `~/.cache/sluice`. Relative values are ignored, as the XDG
 * specification asks.
 */
export function getCacheFolder(
  env: Readonly<Record<string, string | undefined>> = process.env,
): string {
  const own = env['SLUICE_CACHE'];
  if (own !== undefined && isAbsolute(own)) {
    return own;
  }
  const xdg = env['XDG_CACHE_HOME'];
  return xdg !== undefined && isAbsolute(xdg)
    ? join(xdg, 'sluice')
    : join(env['HOME'] ?? homedir(), '.cache', 'sluice');
}
