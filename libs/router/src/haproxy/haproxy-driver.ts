import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { accepted, type Outcome, type RouteTable, refused } from '@sluice/domain';
import { removeWhole, writeWhole } from '@sluice/target-drivers';
import { formOf, lastLines, listLosers } from '../marks.ts';
import { findPid, listChildren, type ReloadWay, reload } from '../reload.ts';
import type { RouteDocument, RouteDriver, ServedRoutes } from '../route-driver.ts';
import type { RouteCounts } from '../router.ts';
import { orDown, RouterError, reasonOf } from '../router-error.ts';
import { runProgram } from '../run-program.ts';
import { markerOf, markerStart, renderHaproxy, SHARE_KEY, weightOf } from './haproxy-document.ts';
import { askSocket, readOldWorkers, readStat, tellSocket } from './haproxy-socket.ts';

/** Where HAProxy is on this host. */
export interface HaproxySettings {
  /** The backend that Sluice writes. */
  readonly backend: string;
  /** The file that Sluice writes; HAProxy is started with `-f` for it, last. */
  readonly file: string;
  /** The files of the other `-f`, in their order. */
  readonly configFiles: readonly string[];
  /** The stats socket, with `level admin`. */
  readonly socket: string;
  /** `pidFile`: the one of `haproxy -W -p`. */
  readonly reload: ReloadWay;
  /** The master's socket (`haproxy -W -S`): with it, requests that are open in processes from before a reload are seen. */
  readonly masterSocket?: string;
  /** `haproxy` on PATH when absent. */
  readonly binary?: string;
  /** Words after each server; `check` when absent. */
  readonly serverOptions?: string;
  /** Lines of this host's own in the backend. */
  readonly lines?: readonly string[];
}

type Stat = Readonly<Record<string, string>>;

/**
 * HAProxy in master-worker mode. A change of the share alone is told to the running process, and written, so that a
 * restart has it, too; any other is a reload.
 */
export class HaproxyDriver implements RouteDriver {
  readonly kind = 'haproxy';
  readonly label: string;
  readonly #settings: HaproxySettings;

  constructor(settings: HaproxySettings) {
    const { configFiles, file } = settings;
    this.#settings = { ...settings, configFiles: configFiles.filter((other) => other !== file) };
    this.label = `HAProxy at ${settings.socket}`;
  }

  render(table: RouteTable): string {
    const { serverOptions = 'check', lines = [] } = this.#settings;
    return renderHaproxy(table, { mapFile: this.#mapFile, serverOptions, lines });
  }

  markOf(table: RouteTable): string {
    return markerOf(table).slice(markerStart(table.backend).length);
  }

  /** Drawn from a thousand: the share is what the table says. */
  effectivePermille(table: RouteTable): number {
    return table.canaryPermille;
  }

  async readText(): Promise<string | null> {
    try {
      return await readFile(this.#settings.file, 'utf8');
    } catch (error) {
      if ((error as { code?: unknown }).code === 'ENOENT') return null;
      return orDown(`${this.#settings.file} can not be read`, () => Promise.reject(error));
    }
  }

  async readServed(expected: RouteTable | null, signal: AbortSignal): Promise<ServedRoutes> {
    const start = markerStart(this.#settings.backend);
    try {
      const names = (await this.#ask('show backend', signal)).split('\n');
      const marker = names
        .find((name) => name.startsWith(start))
        ?.slice(start.length)
        .trim();
      if (marker === undefined) return { up: true, mark: null };
      const [form = '', started = ''] = marker.split('.');
      const share = (await this.#findToldShare(signal)) ?? started;
      const mark = `${form}.${share}`;
      if (expected === null || this.markOf(expected) !== mark) return { up: true, mark };
      const altered = findAltered(expected, await this.#stats(signal));
      return { up: true, mark, ...(altered === undefined ? {} : { altered }) };
    } catch (error) {
      return {
        up: false,
        why: `${this.label} does not answer (${reasonOf(error)}); start it, and let its stats socket have "level admin".`,
      };
    }
  }

  async check(text: string, signal: AbortSignal): Promise<Outcome<true>> {
    await this.#makeMapFile();
    const folder = await mkdtemp(join(tmpdir(), 'sluice-haproxy-'));
    try {
      const candidate = join(folder, 'candidate.cfg');
      await writeFile(candidate, text);
      const files = [...this.#settings.configFiles, candidate].flatMap((file) => ['-f', file]);
      const { binary = 'haproxy' } = this.#settings;
      const { status, output } = await runProgram(binary, ['-c', ...files], signal);
      if (status === 0) return accepted(true);
      return refused('route-invalid', `HAProxy does not take it: ${lastLines(output)}`);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  async put(next: RouteDocument, before: RouteDocument, signal: AbortSignal): Promise<void> {
    const { file } = this.#settings;
    await orDown(`${file} can not be written`, async () => {
      await this.#makeMapFile();
      if (next.text === null) await removeWhole(file);
      else await writeWhole(file, next.text, 0o644);
    });
    const isShareAlone =
      next.table !== null && before.table !== null && formOf(next.table) === formOf(before.table);
    if (isShareAlone && next.table !== null && before.table !== null) {
      await this.#tellShare(next.table, before.table, signal);
      return;
    }
    await reload(this.label, this.#settings.reload, 'SIGUSR2', signal);
  }

  async isDrained(
    next: RouteTable,
    before: RouteTable,
    signal: AbortSignal,
  ): Promise<boolean | null> {
    const losers = new Set(listLosers(next, before));
    const isOpen = (row: Stat) => losers.has(row['svname'] ?? '') && Number(row['scur']) > 0;
    if ((await this.#stats(signal)).some(isOpen)) return false;
    if (formOf(next) === formOf(before)) return true;
    const { masterSocket, reload: way, backend } = this.#settings;
    if (masterSocket === undefined) {
      const master = 'pidFile' in way ? await findPid(way.pidFile) : undefined;
      // A process from before the reload lives as long as it has a connection, used or not.
      return master === undefined ? null : (await listChildren(master)).length <= 1;
    }
    for (const pid of readOldWorkers(await askSocket(masterSocket, 'show proc', signal))) {
      const command = `@!${pid} show stat ${backend} 4 -1`;
      // One that ends while it is asked is gone when it is asked again.
      const answer = await askSocket(masterSocket, command, signal).catch(() => undefined);
      if (answer === undefined || readStat(answer).some(isOpen)) return false;
    }
    return true;
  }

  async totals(signal: AbortSignal): Promise<readonly RouteCounts[]> {
    const stats = await orDown(`${this.label} does not answer`, () => this.#stats(signal));
    return stats.map((row) => ({
      server: row['svname'] ?? '',
      requests: Number(row['stot']),
      // One that was given to another server counts here as not answered; of all others the status is known.
      errors: Number(row['hrsp_5xx']) + Number(row['wredis']),
    }));
  }

  /** The file first: a proxy that restarts in between has what is wanted. Weights matter where all or none is canary. */
  async #tellShare(next: RouteTable, before: RouteTable, signal: AbortSignal): Promise<void> {
    const { backend, canaryPermille: share } = next;
    const isSet = (await this.#findToldShare(signal)) !== undefined;
    const commands = [`${isSet ? 'set' : 'add'} map ${this.#mapFile} ${SHARE_KEY} ${share}`];
    if (weightOf('canary', share) !== weightOf('canary', before.canaryPermille)) {
      // Those that gain come first, for there must be one at any time.
      const [gain, lose] =
        share === 1000 ? (['canary', 'stable'] as const) : (['stable', 'canary'] as const);
      for (const pool of [gain, lose]) {
        for (const { name } of next.pools[pool]) {
          commands.push(`set weight ${backend}/${name} ${weightOf(pool, share)}`);
        }
      }
    }
    const said = await orDown(`${this.label} does not answer`, () =>
      tellSocket(this.#settings.socket, commands, signal),
    );
    if (said !== '') {
      throw new RouterError('route-unserved', `${this.label} did not take it: ${lastLines(said)}`);
    }
  }

  /** The share in the running process' map; undefined when it has the one that it was started with. */
  async #findToldShare(signal: AbortSignal): Promise<string | undefined> {
    const answer = await this.#ask(`show map ${this.#mapFile}`, signal);
    return new RegExp(`^\\S+ ${SHARE_KEY} (\\d+)$`, 'm').exec(answer)?.[1];
  }

  /** Rows of the backend's servers. */
  async #stats(signal: AbortSignal): Promise<readonly Stat[]> {
    const { backend } = this.#settings;
    return readStat(await this.#ask(`show stat ${backend} 4 -1`, signal)).filter(
      (row) => row['pxname'] === backend,
    );
  }

  #ask(command: string, signal: AbortSignal): Promise<string> {
    return askSocket(this.#settings.socket, command, signal);
  }

  get #mapFile(): string {
    return `${this.#settings.file}.map`;
  }

  /** HAProxy does not start without it. */
  async #makeMapFile(): Promise<void> {
    const file = await open(this.#mapFile, 'a', 0o644);
    await file.close();
  }
}

/** Weights that someone set in the running proxy. */
function findAltered(expected: RouteTable, stats: readonly Stat[]): string | undefined {
  const weights = new Map(stats.map((row) => [row['svname'], row['weight']]));
  for (const pool of ['stable', 'canary'] as const) {
    const wanted = String(weightOf(pool, expected.canaryPermille));
    for (const { name } of expected.pools[pool]) {
      const weight = weights.get(name);
      if (weight !== wanted)
        return `the server ${name} has the weight ${weight ?? 'of none'}, not ${wanted}`;
    }
  }
  return undefined;
}
