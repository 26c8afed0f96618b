import type { Tx } from '../transaction.ts';

/** What an agent measured of its own service in one interval. */
export interface ProbeSampleRecord {
  readonly target: string;
  /** Beginning of the interval, RFC 3339, by the agent's clock. */
  readonly sampledAt: string;
  readonly seconds: number;
  readonly requests: number;
  readonly errors: number;
  /** Milliseconds; null without an answer. */
  readonly p50Ms: number | null;
  readonly p90Ms: number | null;
  readonly p99Ms: number | null;
  /** Digest of the release that was active; null for none. */
  readonly activeRelease: string | null;
}

/** How long samples are kept. Hours. */
export const PROBE_SAMPLE_HOURS = 7 * 24;

/** Rows that one call of {@link forgetProbeSamples} removes at the most. */
export const MAX_FORGOTTEN_SAMPLES = 10_000;

/** Stores samples of one target; those of an interval that is known stay as they came first. Gives how many are new. */
export async function insertProbeSamples(
  tx: Tx,
  target: string,
  samples: readonly Omit<ProbeSampleRecord, 'target'>[],
): Promise<number> {
  const { rowCount } = await tx.query(
    `insert into sluice.probe_samples (tenant_id, target_id, sampled_at, seconds, requests, errors, p50_ms, p90_ms, p99_ms,
       active_release)
     select $1, $2, s."sampledAt", s.seconds, s.requests, s.errors, s."p50Ms", s."p90Ms", s."p99Ms", s."activeRelease"
       from jsonb_to_recordset($3::jsonb) as s("sampledAt" timestamptz, seconds integer, requests integer, errors integer,
         "p50Ms" double precision, "p90Ms" double precision, "p99Ms" double precision, "activeRelease" text)
     on conflict do nothing`,
    [tx.tenantId, target, JSON.stringify(samples)],
  );
  return rowCount ?? 0;
}

/**
 * Samples of these targets whose interval began in the range, by time and target.
 * @param range.from RFC 3339, included
 * @param range.to RFC 3339, not included
 * @param limit rows; whoever gets as many does not have all
 */
export async function listProbeSamples(
  tx: Tx,
  targets: readonly string[],
  range: { readonly from: string; readonly to: string },
  limit: number,
): Promise<readonly ProbeSampleRecord[]> {
  const { rows } = await tx.query<ProbeSampleRecord>(
    `select target_id as target, sampled_at as "sampledAt", seconds, requests, errors, p50_ms as "p50Ms", p90_ms as "p90Ms",
            p99_ms as "p99Ms", active_release as "activeRelease"
       from sluice.probe_samples
      where tenant_id = $1 and target_id = any($2) and sampled_at >= $3 and sampled_at < $4
      order by sampled_at, target_id
      limit $5`,
    [tx.tenantId, targets, range.from, range.to, limit],
  );
  return rows;
}

/** Removes samples that are too old to be asked for, some at a time; gives how many. For the role sluice_worker only. */
export async function forgetProbeSamples(tx: Tx): Promise<number> {
  const { rowCount } = await tx.query(
    `delete from sluice.probe_samples
      where tenant_id = $1 and (target_id, sampled_at) in (
        select target_id, sampled_at from sluice.probe_samples
         where tenant_id = $1 and sampled_at < now() - make_interval(hours => $2)
         order by sampled_at
         limit $3)`,
    [tx.tenantId, PROBE_SAMPLE_HOURS, MAX_FORGOTTEN_SAMPLES],
  );
  return rowCount ?? 0;
}
