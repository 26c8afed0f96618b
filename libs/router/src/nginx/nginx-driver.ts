import { readFile } from 'node:fs/promises';
import { accepted, type Outcome, type RouteTable, refused } from '@sluice/domain';
import { removeWhole, writeWhole } from '@sluice/target-drivers';
import { askHttp } from '../ask-http.ts';
import { lastLines, shortMark } from '../marks.ts';
import { findPid, listChildren, type ReloadWay, reload } from '../reload.ts';
import type { RouteDocument, RouteDriver, ServedRoutes } from '../route-driver.ts';
import { orDown, RouterError } from '../router-error.ts';
import { runProgram } from '../run-program.ts';
import { renderNginx, statusPathOf } from './nginx-document.ts';

/** Where nginx is on this host. */
export interface NginxSettings {
  /** The backend that Sluice writes. */
  readonly backend: string;
  /** The file that Sluice writes; the configuration includes it on the level of `http`. */
  readonly file: string;
  /** The main configuration: `/etc/nginx/nginx.conf`. */
  readonly configFile: string;
  readonly pidFile: string;
  /** `127.0.0.1:9180`: where nginx tells Sluice which table its workers have; nobody else's. */
  readonly status: string;
  /** Absent: SIGHUP to the process of the pid file. */
  readonly reload?: ReloadWay;
  /** `nginx` on PATH when absent. */
  readonly binary?: string;
  /** Arguments that nginx is started with beside `-c`, such as `-p <folder>`. */
  readonly binaryArguments?: readonly string[];
  /** Lines of this host's own in each upstream. */
  readonly lines?: readonly string[];
}

/** nginx: each change is a file and a reload; it is served once every worker from before it takes nothing new. */
export class NginxDriver implements RouteDriver {
  readonly kind = 'nginx';
  readonly label: string;
  readonly #settings: NginxSettings;
  /** Workers from before the last reload. */
  #old: readonly number[] = [];

  constructor(settings: NginxSettings) {
    this.#settings = settings;
    this.label = `nginx of ${settings.configFile}`;
  }

  render(table: RouteTable): string {
    const { status, lines = [] } = this.#settings;
    return renderNginx(table, { status, lines });
  }

  markOf(table: RouteTable): string {
    return shortMark(table);
  }

  /** `split_clients` takes hundredths of a percent: the share is what the table says. */
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

  async readServed(_: RouteTable | null, signal: AbortSignal): Promise<ServedRoutes> {
    const { pidFile, status, backend } = this.#settings;
    if ((await findPid(pidFile)) === undefined) {
      return {
        up: false,
        why: `${this.label} does not run: ${pidFile} names no process; start it.`,
      };
    }
    if ((await this.#listTaking()).length > 0) return { up: true, mark: 'turning-over' };
    try {
      const answer = await askHttp(`http://${status}${statusPathOf(backend)}`, {}, signal);
      return { up: true, mark: answer.status === 200 ? answer.body.trim() : null };
    } catch {
      // Before the first table nobody listens there.
      return { up: true, mark: null };
    }
  }

  /** nginx checks what is in its place, nothing else: it is put there for that long. */
  async check(text: string, signal: AbortSignal): Promise<Outcome<true>> {
    const before = await this.readText();
    await this.#write(text);
    const { binary = 'nginx', binaryArguments = [], configFile } = this.#settings;
    const { status, output } = await runProgram(
      binary,
      ['-t', '-q', ...binaryArguments, '-c', configFile],
      signal,
    );
    await this.#write(before);
    return status === 0
      ? accepted(true)
      : refused('route-invalid', `nginx does not take it: ${lastLines(output)}`);
  }

  async put(next: RouteDocument, _: RouteDocument, signal: AbortSignal): Promise<void> {
    const { pidFile, reload: way = { pidFile } } = this.#settings;
    const master = await findPid(pidFile);
    this.#old = master === undefined ? [] : await listChildren(master);
    await this.#write(next.text);
    if (master === undefined) {
      throw new RouterError('router-down', `${this.label} does not run; start it.`);
    }
    await reload(this.label, way, 'SIGHUP', signal);
  }

  async isDrained(): Promise<boolean | null> {
    for (const pid of this.#old) if ((await titleOf(pid)) !== '') return false;
    return true;
  }

  /** Workers from before the last reload that still take connections. */
  async #listTaking(): Promise<readonly number[]> {
    const taking: number[] = [];
    for (const pid of this.#old) {
      const title = await titleOf(pid);
      if (title.includes('nginx') && !title.includes('shutting down')) taking.push(pid);
    }
    return taking;
  }

  async #write(text: string | null): Promise<void> {
    const { file } = this.#settings;
    await orDown(`${file} can not be written`, () =>
      text === null ? removeWhole(file) : writeWhole(file, text, 0o644),
    );
  }
}

/** What a process calls itself; empty when it is gone. */
async function titleOf(pid: number): Promise<string> {
  try {
    return (await readFile(`/proc/${pid}/cmdline`, 'utf8')).replaceAll('\0', ' ').trim();
  } catch {
    return '';
  }
}
