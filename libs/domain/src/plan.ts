import type { Component } from './component.ts';
import type { SettingValue } from './target.ts';

/** The schema tag that every plan carries. */
export const PLAN_SCHEMA = 'sluice.plan/v1';

/** What is, or shall be, on a target. */
export interface PlanSide {
  /** Digest of the release. */
  readonly release: string;
  readonly components: readonly Component[];
  readonly settings: Readonly<Record<string, SettingValue>>;
}

/** What one target would change. An empty target has no current side; emptying it has no desired side. */
export interface Plan {
  readonly schema: typeof PLAN_SCHEMA;
  readonly target: string;
  readonly current: PlanSide | null;
  readonly desired: PlanSide | null;
}

/** The schema tag that every plan set carries. */
export const PLAN_SET_SCHEMA = 'sluice.plan-set/v1';

/**
 * The plans of all of a promotion's targets. Its digest is the plan digest that an approval names: one changed plan
 * makes another set.
 */
export interface PlanSet {
  readonly schema: typeof PLAN_SET_SCHEMA;
  readonly promotion: string;
  readonly release: string;
  /** By target name. */
  readonly plans: readonly { readonly target: string; readonly plan: string }[];
}

/** Puts a plan set together in its one shape. */
export function composePlanSet(
  promotion: string,
  release: string,
  plans: PlanSet['plans'],
): PlanSet {
  const sorted = plans
    .map(({ target, plan }) => ({ target, plan }))
    .sort((a, b) => (a.target < b.target ? -1 : 1));
  return { schema: PLAN_SET_SCHEMA, promotion, release, plans: sorted };
}

/** Puts a plan together in its one shape. Its digest is the SHA-256 of the RFC 8785 form. */
export function composePlan(
  target: string,
  current: PlanSide | null,
  desired: PlanSide | null,
): Plan {
  return { schema: PLAN_SCHEMA, target, current, desired };
}
