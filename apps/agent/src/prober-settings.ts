import type { ProbeSettings } from './prober.ts';

/** Names of the settings by which an agent measures its own service. */
export const PROBE_NAMES = {
  probePath: 'SLUICE_AGENT_PROBE_PATH',
  probePort: 'SLUICE_AGENT_PROBE_PORT',
  probeEveryMs: 'SLUICE_AGENT_PROBE_EVERY_MS',
} as const;

const DEFAULT_EVERY_MS = 100;

/**
 * Reads them; undefined where no path is set, and nothing is measured.
 * @param problems gets a line for each that is wrong
 */
export function readProbeSettings(
  read: (name: keyof typeof PROBE_NAMES) => string | undefined,
  problems: string[],
): ProbeSettings | undefined {
  const path = read('probePath');
  const port = read('probePort');
  const everyMs = read('probeEveryMs');
  if (path === undefined) {
    if ((port ?? everyMs) !== undefined) {
      problems.push(
        `${PROBE_NAMES.probePath} is not set: name the path to ask, such as /, or unset the other settings of probes.`,
      );
    }
    return undefined;
  }
  if (!/^\/[\u0021-\u007e]{0,1023}$/.test(path)) {
    problems.push(
      `${PROBE_NAMES.probePath} is "${path.slice(0, 60)}": give a path that begins with /.`,
    );
  }
  return {
    path,
    port: readWhole('probePort', port, 1, 65_535, problems),
    everyMs:
      everyMs === undefined
        ? DEFAULT_EVERY_MS
        : readWhole('probeEveryMs', everyMs, 20, 60_000, problems),
  };
}

function readWhole(
  name: keyof typeof PROBE_NAMES,
  text: string | undefined,
  least: number,
  most: number,
  problems: string[],
): number {
  const value = /^\d{1,6}$/.test(text ?? '') ? Number(text) : Number.NaN;
  if (value >= least && value <= most) return value;
  problems.push(
    text === undefined
      ? `${PROBE_NAMES[name]} is not set: give a whole number from ${least} to ${most}.`
      : `${PROBE_NAMES[name]} is "${text.slice(0, 60)}": give a whole number from ${least} to ${most}.`,
  );
  return least;
}
