import type { RouteTable } from '@sluice/domain';
import {
  findRollout,
  findRoute,
  listRouteCommands,
  type RolloutRecord,
  type RouteCommandRecord,
  type Tx,
} from '@sluice/persistence';

/** Newest commands of a router that are looked at; of more, nobody knows what is in force. */
const MAX_LOOKED_AT = 200;

/** Ends of a command that leave it open what the proxy serves. */
const UNTELLING: ReadonlySet<string> = new Set(['revert-failed', 'route-stale', 'route-foreign']);

/** What a router serves, by what its agent said; `command` is the one that put it there. */
export interface RouteInForce {
  /** Null where Sluice never put one there. */
  readonly table: RouteTable | null;
  readonly command: RouteCommandRecord | null;
}

/**
 * The table that a router serves, by its agent's reports; undefined where they do not tell: one has not come, putting back failed, or the agent
 * found another one there.
 */
export async function findRouteInForce(tx: Tx, router: string): Promise<RouteInForce | undefined> {
  const commands = await listRouteCommands(tx, { router, limit: MAX_LOOKED_AT });
  for (const command of commands) {
    if (command.outcome === 'confirmed') return { table: command.table, command };
    if (command.outcome === null || UNTELLING.has(command.failureCode ?? '')) return undefined;
  }
  return commands.length < MAX_LOOKED_AT ? { table: null, command: null } : undefined;
}

/**
 * The table to go back to: what is in force, or, where a rollout that never came to its end left requests at its new version, what was in force
 * before that one. Null where the router has none. A rollout stores it before it moves anything.
 */
export async function readSteadyRoute(tx: Tx, router: string): Promise<RouteTable | null> {
  const inForce = await findRouteInForce(tx, router);
  const last = inForce === undefined ? await findLastConfirmed(tx, router) : inForce.command;
  if (last === null) return null;
  return isSteady(last.table) ? last.table : ((await rolloutOf(tx, last))?.routeBefore ?? null);
}

/** The table that a router serves, by its agent's reports or, where they do not tell, as it confirmed last. */
export async function findLikelyRoute(tx: Tx, router: string): Promise<RouteTable | null> {
  const inForce = await findRouteInForce(tx, router);
  return inForce === undefined ? ((await findRoute(tx, router))?.table ?? null) : inForce.table;
}

/** The newest rollout that moved requests of a router; undefined where none did. */
export async function findLastRollout(tx: Tx, router: string): Promise<RolloutRecord | undefined> {
  const commands = await listRouteCommands(tx, { router, limit: MAX_LOOKED_AT });
  const seen = new Set<string>();
  for (const command of commands) {
    const key = `${command.promotionId}/${command.stepId}/${command.round}`;
    if (seen.has(key)) continue;
    seen.add(key);
    const rollout = await rolloutOf(tx, command);
    if (rollout !== undefined) return rollout;
  }
  return undefined;
}

async function findLastConfirmed(tx: Tx, router: string): Promise<RouteCommandRecord | null> {
  const route = await findRoute(tx, router);
  if (route === undefined) return null;
  const commands = await listRouteCommands(tx, { router, limit: MAX_LOOKED_AT });
  return commands.find(({ commandDigest }) => commandDigest === route.commandDigest) ?? null;
}

function rolloutOf(
  tx: Tx,
  { promotionId, stepId, round }: RouteCommandRecord,
): Promise<RolloutRecord | undefined> {
  return findRollout(tx, { promotionId, stepId, round });
}

/** Nobody sees the version of its canary pool. */
function isSteady({ canaryPermille, match }: RouteTable): boolean {
  return canaryPermille === 0 && match.length === 0;
}
