import type { RouteServer, RouteTable } from '@sluice/domain';
import { digestOf } from '@sluice/pure';

const MARK_DIGITS = 16;

/** Digits of a digest that name a table, or a part of one, in a proxy. */
export function shortMark(value: unknown): string {
  return digestOf(value).slice('sha256:'.length, 'sha256:'.length + MARK_DIGITS);
}

/** Everything of a table but its share. */
export function formOf(table: RouteTable): string {
  const { canaryPermille: _, ...form } = table;
  return shortMark(form);
}

/** `10.0.0.1:80`, `[::1]:80`. */
export function endpointOf({ address, port }: Pick<RouteServer, 'address' | 'port'>): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/** Names of the servers that had requests and get none any more, but for what a connection still brings. */
export function listLosers(next: RouteTable, before: RouteTable): readonly string[] {
  const served = new Set(listServed(next));
  return listServed(before).filter((name) => !served.has(name));
}

function listServed({ pools, canaryPermille, match }: RouteTable): readonly string[] {
  const stable = canaryPermille < 1000 ? pools.stable : [];
  const canary = canaryPermille > 0 || match.length > 0 ? pools.canary : [];
  return [...stable, ...canary].map(({ name }) => name);
}

/** A value of a table inside a regular expression: only the dot means more than itself there. */
export function escapeValue(value: string): string {
  return value.replaceAll('.', '[.]');
}

/** The last lines of what a program said, on one line. */
export function lastLines(output: string, lines = 3): string {
  const said = output.trim().split('\n').slice(-lines).join(' | ');
  return said.replace(/\p{C}/gu, '?').slice(0, 600);
}
