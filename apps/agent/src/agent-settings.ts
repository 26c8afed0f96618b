import { readFileSync } from 'node:fs';
import { readTracesUrl } from '@sluice/observability';
import type { RouterSettings } from '@sluice/router';
import { DEFAULT_KEEP_RELEASES } from '@sluice/target-drivers';
import type { ProbeSettings } from './prober.ts';
import { PROBE_NAMES, readProbeSettings } from './prober-settings.ts';
import { ROUTER_NAMES, readRouterSettings } from './router-settings.ts';

/** Version of this agent; sent to the control plane and written into stickers. */
export const AGENT_VERSION = '0.1.0';

/** What an agent is configured with. */
export interface AgentSettings {
  /** Base URL of the control plane. */
  readonly controlPlane: string;
  readonly stateDir: string;
  /** One-time enrolment token; needed only until the agent is enrolled. */
  readonly token: string | undefined;
  readonly secretsDir: string | undefined;
  /** Whether the service ends with the agent at SIGTERM, as a demo wants it. */
  readonly stopService: boolean;
  readonly logLevel: string | undefined;
  /** See {@link createFaultPoint}; undefined outside of tests. */
  readonly pauseAt: string | undefined;
  /** Seconds that a long poll waits; at most 25. */
  readonly pollSeconds: number;
  /** From SIGTERM to SIGKILL of a service. */
  readonly graceMs: number;
  /** How many of the last confirmed releases keep their artifacts on this target; 1 to 50. */
  readonly keepReleases: number;
  /** Folder of this agent alone for store paths of Nix; below the state folder when undefined. */
  readonly nixStore: string | undefined;
  /** The proxy that this agent tells where requests go; undefined where it puts releases on its host. */
  readonly router: RouterSettings | undefined;
  /** How it measures its own service; undefined where it does not. */
  readonly probe: ProbeSettings | undefined;
}

/** Names that the JSON file of `SLUICE_AGENT_CONFIG` may have, and the variable that wins over each. */
const NAMES = {
  controlPlane: 'SLUICE_AGENT_CONTROL_PLANE',
  stateDir: 'SLUICE_AGENT_STATE_DIR',
  token: 'SLUICE_AGENT_TOKEN',
  tokenFile: 'SLUICE_AGENT_TOKEN_FILE',
  secretsDir: 'SLUICE_AGENT_SECRETS_DIR',
  stopService: 'SLUICE_AGENT_STOP_SERVICE',
  logLevel: 'SLUICE_LOG_LEVEL',
  pollSeconds: 'SLUICE_AGENT_POLL_SECONDS',
  graceMs: 'SLUICE_AGENT_GRACE_MS',
  keepReleases: 'SLUICE_AGENT_KEEP_RELEASES',
  nixStore: 'SLUICE_AGENT_NIX_STORE',
  ...PROBE_NAMES,
  ...ROUTER_NAMES,
} as const;

/** Settings, or one line per problem. */
export type SettingsOutcome =
  | { readonly ok: true; readonly settings: AgentSettings }
  | { readonly ok: false; readonly problems: readonly string[] };

/** Reads the agent's settings from the environment, over those of the JSON file that it may name. */
export function readAgentSettings(env: NodeJS.ProcessEnv): SettingsOutcome {
  const problems: string[] = [];
  const file = readConfigFile(env.SLUICE_AGENT_CONFIG, problems);
  const read = (name: keyof typeof NAMES): string | undefined => {
    const text = env[NAMES[name]] ?? file[name];
    return text === '' ? undefined : text;
  };
  const number = (
    name: keyof typeof NAMES,
    fallback: number,
    { least = 0, most }: { readonly least?: number; readonly most: number },
  ): number => {
    const text = read(name);
    if (text === undefined) return fallback;
    const value = Number(text);
    if (Number.isSafeInteger(value) && value >= least && value <= most) return value;
    problems.push(`${NAMES[name]} is "${text}": give a whole number from ${least} to ${most}.`);
    return fallback;
  };
  const controlPlane = read('controlPlane') ?? '';
  if (!isHttpUrl(controlPlane)) {
    problems.push(
      `${NAMES.controlPlane} is "${controlPlane}": give the control plane's URL, such as http://127.0.0.1:8080.`,
    );
  }
  const stateDir = read('stateDir') ?? '';
  if (!stateDir.startsWith('/')) {
    problems.push(
      `${NAMES.stateDir} is "${stateDir}": give the absolute path of a folder of this agent alone.`,
    );
  }
  const nixStore = read('nixStore');
  if (nixStore !== undefined && !/^(?:\/[0-9A-Za-z+\-._?=@]+)+$/.test(nixStore)) {
    problems.push(
      `${NAMES.nixStore} is "${nixStore}": give the absolute path of an empty folder of this agent alone, without spaces and without / at its end.`,
    );
  }
  const pauseAt = env.SLUICE_AGENT_PAUSE_AT;
  if (pauseAt !== undefined && env.SLUICE_FAULT_POINTS !== '1') {
    problems.push('SLUICE_AGENT_PAUSE_AT is for fault tests only: unset it.');
  }
  try {
    readTracesUrl(undefined, env);
  } catch (error) {
    problems.push((error as Error).message);
  }
  const settings: AgentSettings = {
    controlPlane,
    stateDir,
    token: read('token') ?? readToken(read('tokenFile'), problems),
    secretsDir: read('secretsDir'),
    stopService: read('stopService') === '1' || read('stopService') === 'true',
    logLevel: read('logLevel'),
    pauseAt,
    pollSeconds: number('pollSeconds', 25, { most: 25 }),
    graceMs: number('graceMs', 10_000, { most: 600_000 }),
    keepReleases: number('keepReleases', DEFAULT_KEEP_RELEASES, { least: 1, most: 50 }),
    nixStore,
    probe: readProbeSettings(read, problems),
    router: readRouterSettings(read, problems),
  };
  return problems.length > 0 ? { ok: false, problems } : { ok: true, settings };
}

function readConfigFile(path: string | undefined, problems: string[]): Record<string, string> {
  if (path === undefined || path === '') return {};
  try {
    const json: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (typeof json !== 'object' || json === null || Array.isArray(json))
      throw new Error('no object');
    const known = Object.keys(NAMES);
    return Object.fromEntries(
      Object.entries(json).map(([name, value]) => {
        if (!known.includes(name)) {
          problems.push(
            `SLUICE_AGENT_CONFIG ${path}: "${name}" is unknown; known: ${known.join(', ')}.`,
          );
        }
        return [name, typeof value === 'object' ? JSON.stringify(value) : String(value)];
      }),
    );
  } catch (error) {
    problems.push(`SLUICE_AGENT_CONFIG ${path} can not be read: ${(error as Error).message}.`);
    return {};
  }
}

/** A token file that is gone is no problem: it may be removed once the agent is enrolled. */
function readToken(path: string | undefined, problems: string[]): string | undefined {
  if (path === undefined) return undefined;
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'ENOENT') {
      problems.push(`${NAMES.tokenFile} ${path} can not be read: ${(error as Error).message}.`);
    }
    return undefined;
  }
}

function isHttpUrl(text: string): boolean {
  return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol);
}
