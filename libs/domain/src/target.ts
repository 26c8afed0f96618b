import { ROUTER_KINDS, type RouterKind } from './route-table.ts';

/** Kinds of target that releases are put on, and that have a driver today. */
export const TARGET_KINDS = ['linux-host'] as const;

/** One of {@link TARGET_KINDS}. */
export type TargetKind = (typeof TARGET_KINDS)[number];

/** A setting's value: plain text, or a reference that only the target's agent can resolve. */
export type SettingValue = string | { readonly secret: string };

/** How the health of what runs on a target is asked. Times in milliseconds. */
export interface HealthProbe {
  /** Absolute path, such as `/healthz`. */
  readonly path: string;
  readonly port: number;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** Consecutive good answers (HTTP 200) that count as healthy. */
  readonly successes: number;
  /** Consecutive failures after which the activation counts as failed. */
  readonly failures: number;
}

/**
 * One place that has an agent: to put releases on, or, of a {@link RouterKind}, a proxy that requests go through. No release is ever put on a
 * router.
 */
export interface Target {
  readonly name: string;
  readonly environment: string;
  readonly kind: TargetKind | RouterKind;
  /** Host name or address at which the worker's verify step reaches the service. */
  readonly address: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Becomes the service's environment and is part of the plan; of a router `backend`, its proxy's name for the servers. */
  readonly settings: Readonly<Record<string, SettingValue>>;
  readonly health: HealthProbe;
}

/** True for a proxy: no release is put there. */
export function isRouter(target: Pick<Target, 'kind'>): boolean {
  return (ROUTER_KINDS as readonly string[]).includes(target.kind);
}
