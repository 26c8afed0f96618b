import type { FailingTarget, Refusal, WatchLook, WatchRules } from '@sluice/domain';
import type { ReleaseWatchRecord, TargetRecord } from '@sluice/persistence';
import type { ProviderReach } from '../analysis/analysis-provider.ts';
import type { ProviderParts } from '../analysis/analysis-providers.ts';
import { requireOutbound } from '../outbound/outbound-clients.ts';
import { healthProbesOf } from '../soak/soak-probes.ts';
import { askRound } from '../soak/soak-round.ts';
import { countRequests } from './count-requests.ts';

/** What a look asks about. */
export interface WatchedRelease {
  readonly watch: ReleaseWatchRecord;
  /** By name. */
  readonly targets: readonly TargetRecord[];
}

/** One look, with what the next one needs to know of it. */
export interface LookedRound {
  readonly look: WatchLook;
  readonly failing: Readonly<Record<string, number>>;
}

/** Asks once for everything that the rules name. Throws the cancellation's reason only, and what a database that is away throws. */
export async function lookOnce(
  parts: ProviderParts,
  { watch, targets }: WatchedRelease,
  reach: ProviderReach,
  at: number,
): Promise<LookedRound> {
  const { rules } = watch;
  const health = await askHealth(parts, rules, targets, watch.progress.failing, reach);
  const counted =
    rules.burnRate === null
      ? null
      : await countRequests(parts, rules.burnRate, {
          reach,
          targets: targets.map(({ name }) => name),
          since: Date.parse(watch.since),
          at,
          everySeconds: rules.everySeconds,
        });
  const burns = counted?.ok === true ? counted.burns : null;
  const blind = health.blind ?? (counted?.ok === false ? counted.blind : null);
  return { look: { failing: health.failing, burns, blind }, failing: health.counts };
}

interface AskedHealth {
  readonly failing: readonly FailingTarget[];
  readonly counts: Readonly<Record<string, number>>;
  readonly blind: Refusal | null;
}

async function askHealth(
  { outbound }: ProviderParts,
  { probes }: WatchRules,
  targets: readonly TargetRecord[],
  before: Readonly<Record<string, number>>,
  { cancellation }: ProviderReach,
): Promise<AskedHealth> {
  if (probes === null) return { failing: [], counts: {}, blind: null };
  if (targets.length === 0) {
    const message = 'No target of this release is configured any more: there is nothing to ask.';
    return { failing: [], counts: {}, blind: { code: 'watch-no-targets', message } };
  }
  const asked = healthProbesOf(targets, requireOutbound(outbound).configured);
  const { failing, failed } = await askRound(asked, before, probes.failures, cancellation);
  const isRefused = failed?.refused === true;
  const counts = Object.fromEntries(
    Object.entries(failing).filter(([target]) => !isRefused || target !== failed.probe.key),
  );
  const blind = isRefused
    ? {
        code: 'address-refused',
        message: `${failed.probe.shown} may not be asked from this worker: ${failed.outcome}.`,
      }
    : null;
  return {
    failing: Object.entries(counts)
      .map(([target, count]) => ({
        target,
        count,
        outcome: target === failed?.probe.key ? failed.outcome : 'unhealthy',
      }))
      .sort((a, b) => (a.target < b.target ? -1 : 1)),
    counts,
    blind,
  };
}
