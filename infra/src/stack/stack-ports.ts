import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { findFreePort } from '@sluice/temporal-server';

/**
 * Ports by what listens on them: `api`, `api-2`, `postgres`, `temporal`, `temporalUi`, and
 * `service:<target>`.
 */
export type StackPorts = Readonly<Record<string, number>>;

/** The ports that are tried first; services of targets and further APIs count up from theirs. */
export const DEFAULT_PORTS = {
  api: 7070,
  postgres: 5433,
  temporal: 7233,
  temporalUi: 8233,
  service: 8080,
} as const;

const MAX_MOVES = 3;

/**
 * Chooses a free port for each name: the one of the last run, else the one asked for, else the
 * default; the next free one when that is taken. Remembers the choice.
 *
 * @param asked - first choices; 0, or `any` for all, means any free port that nobody was told
 *   before.
 * @param onMoved - told about each port that was taken.
 */
export async function chooseStackPorts(
  file: string,
  names: readonly string[],
  asked: StackPorts | 'any',
  onMoved: (name: string, wanted: number, chosen: number) => void,
): Promise<StackPorts> {
  const last = await readPorts(file);
  const chosen: Record<string, number> = {};
  const services = names.filter((name) => !(name in DEFAULT_PORTS) && !isFurtherApi(name));
  for (const name of names) {
    const first = asked === 'any' ? 0 : asked[name];
    const wanted = last[name] ?? first ?? defaultOf(name, services.indexOf(name));
    const port = await findFreePort(wanted, new Set(Object.values(chosen)));
    if (wanted !== 0 && port !== wanted) {
      onMoved(name, wanted, port);
    }
    chosen[name] = port;
  }
  await mkdir(dirname(file), { recursive: true });
  await rememberStackPorts(file, chosen);
  return chosen;
}

/** Remembers ports for the next run; those of other names stay. */
export async function rememberStackPorts(file: string, ports: StackPorts): Promise<void> {
  const last = await readPorts(file);
  await writeFile(file, `${JSON.stringify({ ...last, ...ports }, null, 2)}\n`);
}

/**
 * Starts what listens on a port: the port was free when it was chosen, and another program may have
 * taken it since. On `stack-port-taken` it is moved and started again, three times at most.
 */
export async function startOnFreePort(
  start: () => Promise<void>,
  move: () => Promise<void>,
): Promise<void> {
  for (let moves = 0; ; moves += 1) {
    try {
      await start();
      return;
    } catch (error) {
      if (moves === MAX_MOVES || (error as { code?: unknown }).code !== 'stack-port-taken') {
        throw error;
      }
      await move();
    }
  }
}

async function readPorts(file: string): Promise<Record<string, number>> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Record<string, number>;
  } catch {
    return {};
  }
}

function isFurtherApi(name: string): boolean {
  return /^api-\d+$/.test(name);
}

function defaultOf(name: string, place: number): number {
  const known: Readonly<Record<string, number>> = DEFAULT_PORTS;
  if (isFurtherApi(name)) {
    return DEFAULT_PORTS.api + Number(name.slice('api-'.length)) - 1;
  }
  return known[name] ?? DEFAULT_PORTS.service + place;
}
