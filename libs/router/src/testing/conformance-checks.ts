import { FAULT_CHECKS } from './conformance-faults.ts';
import { TRAFFIC_CHECKS } from './conformance-traffic.ts';
import type { ConformanceRoom } from './router-conformance.ts';

/** One thing that every router owes, shown on a real proxy; throws when it does not hold. */
export interface ConformanceCheck {
  readonly name: string;
  run(room: ConformanceRoom): Promise<void>;
}

/** All of them; each wants a room of its own, for it leaves the proxy as it likes. */
export const ROUTER_CHECKS: readonly ConformanceCheck[] = [...TRAFFIC_CHECKS, ...FAULT_CHECKS];
