import { cutText } from '@sluice/domain';
import { listTargetsByName, type TargetRecord, withTenant } from '@sluice/persistence';
import type { ActivityDependencies } from '../dependencies.ts';
import { drainBody } from '../outbound/answer-body.ts';
import type { OutboundClient } from '../outbound/outbound-client.ts';
import { requireOutbound } from '../outbound/outbound-clients.ts';
import { isOutboundError } from '../outbound/outbound-error.ts';
import type { StepRun } from '../step/step-type.ts';
import { healthUrl } from '../verify/http-probe.ts';

/** Something that must stay healthy. */
export interface SoakProbe {
  /** Unique among the probes of a soak, the same in each attempt. */
  readonly key: string;
  /** For people. */
  readonly shown: string;
  readonly url: string;
  readonly status: number;
  readonly timeoutMs: number;
  readonly client: OutboundClient;
}

/** What a probe came to; `refused` where it cannot be asked at all. */
export interface ProbeAnswer {
  readonly healthy: boolean;
  /** HTTP status, or what went wrong instead, in a few words. */
  readonly outcome: string;
  readonly refused?: boolean;
}

/** What finding the probes needs. */
export type SoakParts = Pick<ActivityDependencies, 'pool' | 'outbound'>;

/** Of a URL, in messages. */
const MAX_SHOWN = 300;

const TIMEOUT_MS = 10_000;
const MAX_BODY_BYTES = 64 * 1024;

/** Given probes, else the health probes of the promotion's targets (of the one target, where the step runs for one). */
export async function listProbes(parts: SoakParts, run: StepRun): Promise<readonly SoakProbe[]> {
  const { team, configured } = requireOutbound(parts.outbound);
  const given = run.inputs['probes'] as readonly { url: string; status?: number }[] | undefined;
  if (given !== undefined) {
    return given.map(({ url, status = 200 }, index) => ({
      key: String(index),
      shown: cutText(url, MAX_SHOWN),
      url,
      status,
      timeoutMs: TIMEOUT_MS,
      client: team,
    }));
  }
  const { input, rules } = run;
  const names = input.target === undefined ? rules.targets : [input.target];
  if (names.length === 0) return [];
  const targets = await withTenant(parts.pool, input.promotion.tenantId, (tx) =>
    listTargetsByName(tx, names),
  );
  return healthProbesOf(targets, configured);
}

/** The health probes of targets that the configuration has, by name. */
export function healthProbesOf(
  targets: readonly TargetRecord[],
  client: OutboundClient,
): readonly SoakProbe[] {
  return targets
    .filter(({ removedAt }) => removedAt === null)
    .map(({ name, address, health }) => {
      const url = healthUrl(address, health);
      const timeoutMs = Math.min(health.timeoutMs, TIMEOUT_MS * 6);
      return { key: name, shown: `${name} (${url})`, url, status: 200, timeoutMs, client };
    })
    .sort((left, right) => (left.key < right.key ? -1 : 1));
}

/**
 * Asks once. Throws the cancellation's reason only.
 */
export async function askProbe(probe: SoakProbe, cancellation: AbortSignal): Promise<ProbeAnswer> {
  const { url, timeoutMs, client, status: wanted } = probe;
  try {
    return await client.exchange(
      {
        method: 'GET',
        url,
        headers: { accept: '*/*', 'user-agent': 'sluice-soak' },
        timeoutMs,
        maxBytes: Number.MAX_SAFE_INTEGER,
        cancellation,
      },
      async ({ status, body }) => {
        await drainBody(body, MAX_BODY_BYTES);
        return { healthy: status === wanted, outcome: `HTTP ${status}` };
      },
    );
  } catch (error) {
    cancellation.throwIfAborted();
    if (!isOutboundError(error)) throw error;
    const refused = error.code === 'outbound-refused' || error.code === 'outbound-invalid';
    return { healthy: false, outcome: error.message, refused };
  }
}
