import {
  type Component,
  type ComponentChange,
  compareSettings,
  type PlanSide,
  planChange,
} from '@sluice/domain';
import { enumName } from '../common/enum-name.ts';
import type { PlannedTarget } from './load-difference.ts';

/** Shows one component on both sides. */
export function componentChangeView({ name, change, from, to }: ComponentChange) {
  return { name, change: enumName(change), from: componentView(from), to: componentView(to) };
}

/** Shows one target's plan; the target and the releases' names are resolved apart. */
export function targetPlanView({ target, planDigest, plan }: PlannedTarget) {
  const { current, desired } = plan;
  return {
    targetName: target,
    planDigest,
    current: planSideView(current),
    desired: planSideView(desired),
    change: enumName(planChange(plan)),
    settings: compareSettings(current?.settings ?? {}, desired?.settings ?? {}).map((setting) => ({
      ...setting,
      change: enumName(setting.change),
    })),
  };
}

/** One target's plan as the schema has it. */
export type TargetPlanView = ReturnType<typeof targetPlanView>;

/** One side of it. */
export interface PlanSideView {
  readonly release: string;
}

function planSideView(side: PlanSide | null): PlanSideView | null {
  return side === null ? null : { release: side.release };
}

function componentView(component: Component | null) {
  return component === null ? null : { ...component, kind: enumName(component.kind) };
}
