import type { RouterKind, RouteTable } from '@sluice/domain';
import { digestOf } from '@sluice/pure';
import { type ObservedRoutes, type RouteOutcome, type Router, RouterError } from '@sluice/router';

/** A router that only remembers; what it finds can be set, and its changes made endless. */
export class FakeRouter implements Router {
  readonly kind: RouterKind = 'haproxy';
  readonly calls: string[] = [];
  /** In force, newest last; the first stands for what was there without Sluice. */
  readonly tables: (RouteTable | null)[] = [null];
  isUp = true;
  isForeign = false;
  /** What changes come to, in the place of success. */
  outcome: RouteOutcome | undefined;
  /** While true, a change ends only by its signal, and is put back. */
  isEndless = false;
  /** After a change the proxy serves something else. */
  losesChanges = false;
  /** The proxy ends after a change. */
  diesAfterChange = false;
  /** What a change says of open requests. */
  drained: boolean | null = true;

  get table(): RouteTable | null {
    return this.tables.at(-1) ?? null;
  }

  async read(): Promise<ObservedRoutes> {
    const { table, isUp: up, isForeign: foreign } = this;
    return {
      up,
      foreign,
      table,
      digest: up && table !== null ? digestOf(table) : null,
      effectivePermille: table?.canaryPermille ?? null,
      held: table === null ? null : digestOf(table),
      note: up ? null : 'connection refused',
    };
  }

  async apply(table: RouteTable, signal?: AbortSignal): Promise<RouteOutcome> {
    this.calls.push(`apply ${table.canaryPermille}`);
    if (this.isEndless) {
      await new Promise<void>((resolve) => {
        if (signal?.aborted) return resolve();
        signal?.addEventListener('abort', () => resolve(), { once: true });
      });
      return { state: 'reverted', code: 'route-unserved', message: 'It was interrupted.' };
    }
    if (!this.isUp) {
      return { state: 'refused', code: 'router-down', message: 'The proxy is down.' };
    }
    if (this.outcome !== undefined) return this.outcome;
    const changed = this.table === null || digestOf(this.table) !== digestOf(table);
    if (changed && !this.losesChanges) this.tables.push(table);
    if (this.diesAfterChange) this.isUp = false;
    return this.#confirmed(changed);
  }

  async restore(): Promise<RouteOutcome> {
    this.calls.push('restore');
    if (!this.isUp) return { state: 'refused', code: 'router-down', message: 'The proxy is down.' };
    if (this.tables.length > 1) this.tables.pop();
    return this.#confirmed(true);
  }

  async resume(): Promise<boolean> {
    this.calls.push('resume');
    if (!this.isUp) throw new RouterError('router-down', 'The proxy is down.');
    if (this.isForeign) throw new RouterError('route-foreign', 'It was edited by hand.');
    return false;
  }

  async close(): Promise<void> {
    this.calls.push('close');
  }

  #confirmed(changed: boolean): RouteOutcome {
    const { table } = this;
    return {
      state: 'confirmed',
      digest: table === null ? null : digestOf(table),
      effectivePermille: table?.canaryPermille ?? 0,
      changed,
      drained: this.drained,
    };
  }
}
