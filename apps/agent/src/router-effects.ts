import {
  accepted,
  type Outcome,
  ROUTE_PAYLOAD_SCHEMA,
  type RoutePayload,
  refused,
} from '@sluice/domain';
import type { Logger } from '@sluice/observability';
import type { ObservedRoutes, RouteOutcome, Router } from '@sluice/router';
import { Backoff, pauseFor } from './backoff.ts';
import type { CommandEffects } from './command-effects.ts';
import type { AdmittedCommand } from './command-store.ts';
import { type Failure, failureOf } from './failure.ts';

/** How long a proxy that is down is waited for, where the change can wait no longer. Milliseconds. */
const DOWN_PATIENCE_MS = 15_000;

/** Looks at a change that was made, and the pause between two. */
const LOOKS = 5;
const LOOK_PAUSE_MS = 200;

/**
 * Changes where requests go by a router: the table is put in force, looked at, and put back where that fails. What puts back (a command that expects
 * nothing) waits for a proxy that is down for as long as it is valid; any other fails soon, so that somebody decides.
 */
export function createRouterEffects(parts: {
  readonly router: Router;
  readonly log: Logger;
  readonly now: () => Date;
}): CommandEffects {
  const { router, log, now } = parts;
  return {
    kinds: ['route'],
    otherKind: {
      code: 'command-not-for-router',
      message: 'It puts a release on a target, and this agent is a router: nothing is put here.',
    },
    isLastDecisive: true,

    findUnfit: async (admitted) => {
      // What can't be read is found out by the change itself.
      const observed = await router.read().catch(() => undefined);
      return observed && findStaleTable(payloadOf(admitted), observed);
    },

    activate: async (admitted, signal) => {
      const { table, expects } = payloadOf(admitted);
      const expiry = Date.parse(admitted.command.expiresAt);
      const until =
        expects === undefined ? expiry : Math.min(expiry, now().getTime() + DOWN_PATIENCE_MS);
      const backoff = new Backoff(200, 2000);
      for (;;) {
        const outcome = await router.apply(table, signal);
        if (outcome.state === 'confirmed') {
          warnOfUndrained(outcome, log, admitted);
          return undefined;
        }
        // An interrupted change was put back, but that is not why the command ends.
        signal.throwIfAborted();
        const failure = { code: outcome.code, message: outcome.message };
        if (outcome.code === 'router-down' && now().getTime() < until) {
          log.warn(failure, 'The proxy is down; it is told again.');
          await backoff.pause(signal);
          signal.throwIfAborted();
        } else if (outcome.state === 'refused') {
          return failure;
        } else {
          throw Object.assign(new Error(failure.message), { code: failure.code });
        }
      }
    },

    confirm: async (admitted, signal) => {
      const { planDigest: wanted } = admitted.command;
      for (let look = 1; ; look += 1) {
        const observed = await router.read(signal);
        if (observed.digest === wanted && !observed.foreign) return accepted(true);
        if (look < LOOKS) await pauseFor(LOOK_PAUSE_MS, signal);
        signal.throwIfAborted();
        if (look >= LOOKS) return refused('route-unserved', `After the change ${seen(observed)}.`);
      }
    },

    revert: async (admitted, signal) => {
      const { up, foreign, digest, held } = await router.read();
      // What the router holds decides, not what is served just now: a proxy that is down, or began anew, is told it again.
      if (held === admitted.command.planDigest) {
        const outcome = await router.restore(signal);
        if (outcome.state !== 'confirmed') return unrestored(outcome.message);
        warnOfUndrained(outcome, log, admitted);
        return accepted(true);
      }
      // The router puts a change back by itself that it could not make.
      if (up && !foreign && digest === held) return accepted(true);
      // Or will do so, which nobody has seen: without a signal, for a command that is given up is put back, too.
      try {
        await router.resume();
        return accepted(true);
      } catch (error) {
        return unrestored(failureOf(error).message);
      }
    },

    findActiveRelease: async () => null,

    resume: async () => {
      await keepInForce(router, log);
    },
    keep: (signal) => keepInForce(router, log, signal),
    clear: async () => undefined,
  };
}

/** The control plane then knows that nobody knows what is in force. */
function unrestored(why: string): Outcome<true> {
  return refused('revert-failed', `The table of before is not in force: ${why}`);
}

/** The change holds nevertheless; but what is done to such a server next can end requests of its old share. */
function warnOfUndrained(
  { drained }: Extract<RouteOutcome, { readonly state: 'confirmed' }>,
  log: Logger,
  { command: { sequence, promotionId } }: AdmittedCommand,
): void {
  if (drained !== false) return;
  log.warn(
    { sequence, promotionId },
    'Requests were still open at a server that lost its share when the wait for them was over; what is deployed or stopped there next may cut them off.',
  );
}

/** A proxy that started anew is told again; one that is down, or was edited by hand, is a person's. */
async function keepInForce(router: Router, log: Logger, signal?: AbortSignal): Promise<void> {
  try {
    const isDone = await router.resume(signal);
    if (isDone) log.info('The proxy was told again what is in force.');
  } catch (error) {
    if (signal?.aborted !== true) log.error({ err: error }, failureOf(error).message);
  }
}

function findStaleTable({ expects }: RoutePayload, observed: ObservedRoutes): Failure | undefined {
  // Of a proxy that is down nobody knows; the change itself finds out.
  if (expects === undefined || !observed.up || observed.foreign) return undefined;
  if (observed.digest === expects) return undefined;
  const planned = expects === null ? 'no table of Sluice' : `route table ${expects}`;
  return {
    code: 'route-stale',
    message: `The change was made for a proxy with ${planned}, but ${seen(observed)}. The next change replaces it, whatever it is.`,
  };
}

function seen({ up, foreign, digest, note }: ObservedRoutes): string {
  if (!up) return `the proxy is down (${note ?? 'no answer'})`;
  if (foreign) return `the proxy was edited by hand (${note ?? 'not by Sluice'})`;
  return digest === null ? 'it serves no table of Sluice' : `it serves route table ${digest}`;
}

/** Commands of other kinds never come here: they were refused. */
function payloadOf({ payload, command }: AdmittedCommand): RoutePayload {
  if (payload.schema === ROUTE_PAYLOAD_SCHEMA) return payload;
  throw new Error(`Command ${command.sequence} was accepted with the payload ${payload.schema}.`);
}
