import type { Principal } from '@sluice/graphql';
import type { Metrics } from '@sluice/observability';
import type { SubscriptionLimits } from './subscription-limits.ts';

/** Counts the connections of this process, of each principal apart. */
export class ConnectionCounts {
  readonly #limits: SubscriptionLimits;
  readonly #gauge: ReturnType<Metrics['gauge']>;
  readonly #byPrincipal = new Map<string, number>();

  constructor(limits: SubscriptionLimits, metrics: Metrics) {
    this.#limits = limits;
    this.#gauge = metrics.gauge('sluice_subscription_connections', 'Subscribers that are served.');
  }

  /** Counts one more connection of a principal; false, and not counted, when it has too many. */
  admit(principal: Principal): boolean {
    const key = keyOf(principal);
    const count = this.#byPrincipal.get(key) ?? 0;
    if (count >= this.#limits.connectionsPerPrincipal) return false;
    this.#byPrincipal.set(key, count + 1);
    this.#gauge.inc();
    return true;
  }

  /** Counts one less of those that were admitted. */
  leave(principal: Principal): void {
    const key = keyOf(principal);
    const count = this.#byPrincipal.get(key) ?? 0;
    if (count <= 1) this.#byPrincipal.delete(key);
    else this.#byPrincipal.set(key, count - 1);
    this.#gauge.dec();
  }
}

function keyOf({ tenantId, principalId }: Principal): string {
  return `${tenantId}/${principalId}`;
}
