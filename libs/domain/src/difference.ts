import type { Component } from './component.ts';
import type { Plan, PlanSide } from './plan.ts';
import type { SettingValue } from './target.ts';

/** What became of a thing between two sides. */
export const CHANGES = ['added', 'removed', 'changed', 'unchanged'] as const;

/** One of {@link CHANGES}. */
export type Change = (typeof CHANGES)[number];

/** A difference lists at most this many changes; its numbers count all. */
export const MAX_LISTED_CHANGES = 1000;

/** One component on both sides; null on the side that does not have it. */
export interface ComponentChange {
  readonly name: string;
  readonly change: Change;
  readonly from: Component | null;
  readonly to: Component | null;
}

/** One setting on both sides; null on the side that does not have it. A secret stays a reference. */
export interface SettingChange {
  readonly name: string;
  readonly change: Change;
  readonly from: SettingValue | null;
  readonly to: SettingValue | null;
}

/** Compares two sets of components by name, the unchanged ones included, sorted by name. */
export function compareComponents(
  from: readonly Component[],
  to: readonly Component[],
): readonly ComponentChange[] {
  const before = new Map(from.map((component) => [component.name, component]));
  const after = new Map(to.map((component) => [component.name, component]));
  return namesOf(before, after).map((name) => {
    const [a, b] = [before.get(name) ?? null, after.get(name) ?? null];
    return { name, change: changeBetween(a, b, isSameComponent), from: a, to: b };
  });
}

/** Compares two sets of settings by name, the unchanged ones included, sorted by name. */
export function compareSettings(
  from: PlanSide['settings'],
  to: PlanSide['settings'],
): readonly SettingChange[] {
  const before = new Map(Object.entries(from));
  const after = new Map(Object.entries(to));
  return namesOf(before, after).map((name) => {
    const [a, b] = [before.get(name) ?? null, after.get(name) ?? null];
    return { name, change: changeBetween(a, b, isSameSetting), from: a, to: b };
  });
}

/** What a plan does to its target: fills it, empties it, changes it, or leaves it as it is. */
export function planChange({ current, desired }: Pick<Plan, 'current' | 'desired'>): Change {
  return changeBetween(current, desired, isSameSide);
}

/**
 * The side that stands for many targets: that of the release which most of them have, of those the one whose first
 * target comes first. Null when none of them has anything.
 * @param sides in the order of the targets' names
 */
export function commonSide(sides: readonly (PlanSide | null)[]): PlanSide | null {
  const counts = new Map<string, number>();
  for (const side of sides) {
    if (side !== null) counts.set(side.release, (counts.get(side.release) ?? 0) + 1);
  }
  let most: PlanSide | null = null;
  for (const side of sides) {
    if (side === null) continue;
    const isMore =
      most === null || (counts.get(side.release) ?? 0) > (counts.get(most.release) ?? 0);
    if (isMore) most = side;
  }
  return most;
}

function namesOf(
  before: ReadonlyMap<string, unknown>,
  after: ReadonlyMap<string, unknown>,
): readonly string[] {
  return [...new Set([...before.keys(), ...after.keys()])].sort(byCodeUnits);
}

function changeBetween<T>(a: T | null, b: T | null, isSame: (a: T, b: T) => boolean): Change {
  if (a === null) return b === null ? 'unchanged' : 'added';
  if (b === null) return 'removed';
  return isSame(a, b) ? 'unchanged' : 'changed';
}

function isSameComponent(a: Component, b: Component): boolean {
  return a.kind === b.kind && a.digest === b.digest && a.version === b.version;
}

function isSameSetting(a: SettingValue, b: SettingValue): boolean {
  if (typeof a === 'string' || typeof b === 'string') return a === b;
  return a.secret === b.secret;
}

function isSameSide(a: PlanSide, b: PlanSide): boolean {
  const changes = [
    ...compareComponents(a.components, b.components),
    ...compareSettings(a.settings, b.settings),
  ];
  return a.release === b.release && changes.every(({ change }) => change === 'unchanged');
}

/** Orders texts by their UTF-16 units, on every machine alike. */
export function byCodeUnits(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
