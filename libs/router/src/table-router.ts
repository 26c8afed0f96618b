import { setTimeout as sleep } from 'node:timers/promises';
import { findRouteTableProblem, type RouteTable } from '@sluice/domain';
import { digestOf } from '@sluice/pure';
import { bounded } from './bounded.ts';
import type { RouteDocument, RouteDriver } from './route-driver.ts';
import {
  currentDocument,
  findForeign,
  isServed,
  type RouteLook,
  withoutPending,
} from './route-look.ts';
import { type RouteState, RouteStateFile, type WrittenTable } from './route-state.ts';
import type { ObservedRoutes, RouteCode, RouteCounts, RouteOutcome, Router } from './router.ts';
import { RouterError, reasonOf } from './router-error.ts';
import { ServerCounts } from './server-counts.ts';

/** What a router is made with, whatever the proxy. */
export interface TableRouterOptions {
  /** The one backend that tables may name. */
  readonly backend: string;
  /** A folder of the agent's own. */
  readonly stateFolder: string;
  /** How long a change may take to be served. */
  readonly serveTimeoutMs: number;
  /** How long open requests are waited for at servers that lost their share. */
  readonly drainTimeoutMs: number;
}

const POLL_MS = 40;

/** The order of things, the way back and what survives a restart: the same for every proxy. */
export class TableRouter implements Router {
  readonly kind;
  readonly counts?: (signal?: AbortSignal) => Promise<readonly RouteCounts[]>;
  readonly #driver: RouteDriver;
  readonly #options: TableRouterOptions;
  readonly #file: RouteStateFile;
  #turn: Promise<unknown> = Promise.resolve();
  #opened = false;
  readonly #counted = new ServerCounts();

  constructor(driver: RouteDriver, options: TableRouterOptions) {
    this.kind = driver.kind;
    this.#driver = driver;
    this.#options = options;
    this.#file = new RouteStateFile(options.stateFolder);
    const totals = driver.totals?.bind(driver);
    if (totals !== undefined) {
      this.counts = (signal) =>
        this.#inTurn(async () => this.#counted.since(await totals(bounded(signal))));
    }
  }

  read(signal?: AbortSignal): Promise<ObservedRoutes> {
    return this.#inTurn(async () => {
      const state = await this.#load();
      const held = state.current?.digest ?? null;
      const none = { digest: null, effectivePermille: null, table: null, held };
      const look = await this.#look(state.current?.table ?? null, signal);
      if (!look.served.up) {
        return { up: false, ...none, foreign: false, note: look.served.why };
      }
      const note = findForeign(this.#driver, state, look) ?? null;
      const { mark } = look.served;
      const shown = [state.current, state.pending ?? null].find(
        (one) => one !== null && this.#driver.markOf(one.table) === mark,
      );
      if (shown === undefined || shown === null) {
        return { up: true, ...none, foreign: note !== null, note };
      }
      return {
        up: true,
        digest: shown.digest,
        effectivePermille: this.#driver.effectivePermille(shown.table),
        table: shown.table,
        held,
        foreign: note !== null,
        note,
      };
    });
  }

  apply(table: RouteTable, signal?: AbortSignal): Promise<RouteOutcome> {
    return this.#inTurn(async () => {
      const problem = findRouteTableProblem(table);
      if (problem !== undefined)
        return refusedBy('route-invalid', `Nothing was changed: ${problem}.`);
      if (table.backend !== this.#options.backend) {
        return refusedBy(
          'route-invalid',
          `Nothing was changed: the table is for the backend "${table.backend}", this router has "${this.#options.backend}".`,
        );
      }
      const written = { digest: digestOf(table), table, text: this.#driver.render(table) };
      return this.#change(await this.#load(), written, signal);
    });
  }

  restore(signal?: AbortSignal): Promise<RouteOutcome> {
    return this.#inTurn(async () => {
      const state = await this.#load();
      if (state.previous === undefined) {
        return refusedBy('route-without-previous', 'There is no table before the one in force.');
      }
      return this.#change(state, state.previous, signal, true);
    });
  }

  resume(signal?: AbortSignal): Promise<boolean> {
    return this.#inTurn(async () => {
      const state = await this.#load();
      if (state.base === undefined) return false;
      const look = await this.#look(state.current?.table ?? null, signal);
      const current = currentDocument(state);
      if (!look.served.up) throw new RouterError('router-down', look.served.why);
      const foreign = findForeign(this.#driver, state, look);
      if (foreign !== undefined) throw new RouterError('route-foreign', foreign);
      const isPending = state.pending !== undefined;
      if (isServed(this.#driver, look, current)) {
        if (isPending) await this.#file.save(withoutPending(state));
        return isPending;
      }
      await this.#driver.put(current, { text: look.text, table: null }, bounded(signal));
      await this.#waitUntilServed(current, signal);
      await this.#file.save(withoutPending(state));
      return true;
    });
  }

  async close(): Promise<void> {
    await this.#turn;
    await this.#driver.close?.();
  }

  async #change(
    state: RouteState,
    next: WrittenTable | null,
    signal: AbortSignal | undefined,
    isBack = false,
  ): Promise<RouteOutcome> {
    const look = await this.#look(state.current?.table ?? null, signal);
    if (!look.served.up) return refusedBy('router-down', `Nothing was changed: ${look.served.why}`);
    const foreign = findForeign(this.#driver, state, look);
    if (foreign !== undefined) return refusedBy('route-foreign', `Nothing was changed: ${foreign}`);
    const adopted: RouteState =
      state.base === undefined ? { ...state, base: look.text, baseMark: look.served.mark } : state;
    const before = currentDocument(adopted);
    const isSteady = isServed(this.#driver, look, before);
    if (isSteady && next?.digest === state.current?.digest && state.current !== null) {
      await this.#file.save(withoutPending(adopted));
      return this.#confirmed(next, null, false, signal);
    }
    const wanted = currentDocument({ ...adopted, current: next });
    await this.#file.save({ ...adopted, pending: next });
    const failure = await this.#tryPut(wanted, isSteady ? before : look, signal);
    if (failure !== undefined) return this.#putBack(adopted, wanted, before, failure);
    const done: RouteState = {
      base: adopted.base ?? null,
      baseMark: adopted.baseMark ?? null,
      current: next,
      ...(isBack ? {} : { previous: state.current }),
    };
    await this.#file.save(done);
    return this.#confirmed(next, state.current, true, signal);
  }

  async #tryPut(
    wanted: RouteDocument,
    from: RouteDocument | RouteLook,
    signal: AbortSignal | undefined,
  ): Promise<RouterError | undefined> {
    try {
      if (wanted.text !== null) {
        const answer = await this.#driver.check(wanted.text, bounded(signal));
        if (!answer.ok) return new RouterError('route-invalid', answer.refusal.message);
      }
      const before = 'table' in from ? from : { text: from.text, table: null };
      await this.#driver.put(wanted, before, bounded(signal));
      await this.#waitUntilServed(wanted, signal);
      return undefined;
    } catch (error) {
      if ((error as { name?: unknown }).name === 'RouterError') return error as RouterError;
      return new RouterError('route-unserved', `The change was given up: ${reasonOf(error)}.`);
    }
  }

  /** The failed change is undone; its state stays pending where that can not be seen to have worked. */
  async #putBack(
    state: RouteState,
    wanted: RouteDocument,
    before: RouteDocument,
    failure: RouterError,
  ): Promise<RouteOutcome> {
    const { code, message } = failure;
    try {
      const look = await this.#look(before.table, undefined);
      if (isServed(this.#driver, look, before)) {
        await this.#file.save(withoutPending(state));
        const isUntouched = code === 'route-invalid' || code === 'route-foreign';
        return { state: isUntouched ? 'refused' : 'reverted', code, message };
      }
      // Whatever it serves now, it is told everything anew. Where that fails it may serve it nevertheless.
      await this.#driver
        .put(before, { text: wanted.text, table: null }, bounded(undefined))
        .catch(() => undefined);
      await this.#waitUntilServed(before, undefined);
      await this.#file.save(withoutPending(state));
      return { state: 'reverted', code, message: `${message} What was in force before is again.` };
    } catch (error) {
      const said = reasonOf(error).replace(/\.$/u, '');
      return {
        state: 'reverted',
        code,
        message: `${message} What was in force before could not be seen to be again (${said}); it is put back as soon as the proxy answers.`,
      };
    }
  }

  async #confirmed(
    next: WrittenTable | null,
    before: WrittenTable | null,
    changed: boolean,
    signal: AbortSignal | undefined,
  ): Promise<RouteOutcome> {
    return {
      state: 'confirmed',
      digest: next?.digest ?? null,
      effectivePermille: next === null ? 0 : this.#driver.effectivePermille(next.table),
      changed,
      drained: next === null || before === null ? null : await this.#drain(next, before, signal),
    };
  }

  async #drain(
    next: WrittenTable,
    before: WrittenTable,
    signal: AbortSignal | undefined,
  ): Promise<boolean | null> {
    const until = Date.now() + this.#options.drainTimeoutMs;
    for (;;) {
      try {
        const drained = await this.#driver.isDrained(next.table, before.table, bounded(signal));
        if (drained !== false || Date.now() >= until) return drained;
      } catch {
        return null;
      }
      await sleep(POLL_MS);
    }
  }

  async #waitUntilServed(wanted: RouteDocument, signal: AbortSignal | undefined): Promise<void> {
    const until = Date.now() + this.#options.serveTimeoutMs;
    for (;;) {
      const look = await this.#look(wanted.table, signal);
      if (isServed(this.#driver, look, wanted)) return;
      if (signal?.aborted === true) throw new Error('it was not waited for any longer');
      if (Date.now() >= until) {
        const { served } = look;
        const seconds = Math.round(this.#options.serveTimeoutMs / 1000);
        if (!served.up) throw new RouterError('router-down', served.why);
        throw new RouterError(
          'route-unserved',
          `${this.#driver.label} was told and does not serve it after ${seconds} s; look at its log.`,
        );
      }
      await sleep(POLL_MS);
    }
  }

  async #look(expected: RouteTable | null, signal: AbortSignal | undefined): Promise<RouteLook> {
    const served = await this.#driver.readServed(expected, bounded(signal));
    try {
      return { served, text: await this.#driver.readText(bounded(signal)) };
    } catch (error) {
      return { text: null, served: { up: false, why: `${reasonOf(error)}` } };
    }
  }

  async #load(): Promise<RouteState> {
    const state = await this.#file.load();
    if (!this.#opened) {
      await this.#driver.open?.(currentDocument(state));
      this.#opened = true;
    }
    return state;
  }

  #inTurn<T>(action: () => Promise<T>): Promise<T> {
    const mine = this.#turn.then(action);
    this.#turn = mine.catch(() => undefined);
    return mine;
  }
}

function refusedBy(code: RouteCode, message: string): RouteOutcome {
  return { state: 'refused', code, message };
}
