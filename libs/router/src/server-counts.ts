import type { RouteCounts } from './router.ts';

/** Makes what was counted since the last look of totals. */
export class ServerCounts {
  #last = new Map<string, RouteCounts>();

  since(totals: readonly RouteCounts[]): readonly RouteCounts[] {
    const counts = totals.map((total) => {
      const { server, requests, errors } = total;
      const last = this.#last.get(server);
      // A proxy that was reloaded counts from zero again.
      const isAnew = last === undefined || requests < last.requests || errors < last.errors;
      return isAnew
        ? total
        : { server, requests: requests - last.requests, errors: errors - last.errors };
    });
    this.#last = new Map(totals.map((total) => [total.server, total]));
    return counts;
  }
}
