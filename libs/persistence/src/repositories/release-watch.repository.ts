import {
  NO_WATCH_PROGRESS,
  type WatchProgress,
  type WatchRules,
  type WatchState,
} from '@sluice/domain';
import type { Tx } from '../transaction.ts';
import { existing, firstOf, type ReasonRecord, reasonColumn } from './single-row.ts';
import { storableText } from './storable.ts';
import { listTargetsByName, type TargetRecord } from './target.repository.ts';

/** A release that is, or was, watched after it was out. */
export interface ReleaseWatchRecord {
  readonly promotionId: string;
  readonly environment: string;
  readonly releaseDigest: string;
  /** As the environment had them when the watch began. */
  readonly rules: WatchRules;
  readonly state: WatchState;
  /** Why it ended; null while it goes on, and where nothing is to be said. */
  readonly reason: ReasonRecord | null;
  /** The rollback that its alarm opened. */
  readonly rollbackId: string | null;
  readonly since: string;
  readonly until: string;
  readonly lookedAt: string | null;
  readonly rounds: number;
  readonly blindSeconds: number;
  /** Why the last look could not see; null where it could. */
  readonly blind: ReasonRecord | null;
  readonly progress: WatchProgress;
  readonly endedAt: string | null;
}

const COLUMNS = `w.promotion_id as "promotionId", p.environment_id as environment, p.release_digest as "releaseDigest",
  w.rules, w.state, ${reasonColumn('w.reason_code', 'w.reason_message', 'reason')}, w.rollback_id as "rollbackId",
  w.since, w.until, w.looked_at as "lookedAt", w.rounds, w.blind_seconds as "blindSeconds",
  ${reasonColumn('w.blind_code', 'w.blind_message', 'blind')}, w.progress, w.ended_at as "endedAt"`;

const TABLE = `sluice.release_watches w
  join sluice.promotions p on p.tenant_id = w.tenant_id and p.promotion_id = w.promotion_id`;

/** Watches that one list has at most. */
export const MAX_LISTED_WATCHES = 200;

type Row = Omit<ReleaseWatchRecord, 'progress'> & { readonly progress: Partial<WatchProgress> };

/** What an environment that is still configured says of watching; null where it says nothing. */
export async function findWatchRules(tx: Tx, environment: string): Promise<WatchRules | null> {
  const row = firstOf(
    await tx.query<{ watch: WatchRules | null }>(
      `select watch from sluice.environments
        where tenant_id = $1 and environment_id = $2 and removed_at is null`,
      [tx.tenantId, environment],
    ),
  );
  return row?.watch ?? null;
}

/** Begins the watch of a promotion's release; false when it has begun before, and where no deployment of it is confirmed. */
export async function insertWatch(
  tx: Tx,
  {
    promotionId,
    rules,
    since,
  }: { readonly promotionId: string; readonly rules: WatchRules; readonly since: string },
): Promise<boolean> {
  const { rowCount } = await tx.query(
    `insert into sluice.release_watches (tenant_id, promotion_id, rules, since, until)
     select $1, $2, $3, $4, $4::timestamptz + make_interval(secs => $5)
      where exists (select from sluice.deployments d
                     where d.tenant_id = $1 and d.promotion_id = $2 and d.state = 'confirmed')
     on conflict do nothing`,
    [tx.tenantId, promotionId, JSON.stringify(rules), since, rules.seconds],
  );
  return rowCount === 1;
}

/** The watch of a promotion's release. */
export async function findWatch(
  tx: Tx,
  promotionId: string,
): Promise<ReleaseWatchRecord | undefined> {
  return recordOf(
    firstOf(
      await tx.query<Row>(
        `select ${COLUMNS} from ${TABLE} where w.tenant_id = $1 and w.promotion_id = $2`,
        [tx.tenantId, promotionId],
      ),
    ),
  );
}

/** The watch whose alarm opened a rollback. */
export async function findWatchOfRollback(
  tx: Tx,
  rollbackId: string,
): Promise<ReleaseWatchRecord | undefined> {
  return recordOf(
    firstOf(
      await tx.query<Row>(
        `select ${COLUMNS} from ${TABLE} where w.tenant_id = $1 and w.rollback_id = $2 limit 1`,
        [tx.tenantId, rollbackId],
      ),
    ),
  );
}

/** As {@link findWatch}; nobody else changes it until this transaction ends. Throws `not-found`. */
export async function lockWatch(tx: Tx, promotionId: string): Promise<ReleaseWatchRecord> {
  const row = firstOf(
    await tx.query<Row>(
      `select ${COLUMNS} from ${TABLE} where w.tenant_id = $1 and w.promotion_id = $2 for no key update of w`,
      [tx.tenantId, promotionId],
    ),
  );
  return existing(recordOf(row), `watch of ${promotionId}`, tx.tenantId);
}

/** Those of these promotions that are, or were, watched: for a batch loader. */
export async function listWatchesByPromotion(
  tx: Tx,
  promotionIds: readonly string[],
): Promise<readonly ReleaseWatchRecord[]> {
  const { rows } = await tx.query<Row>(
    `select ${COLUMNS} from ${TABLE} where w.tenant_id = $1 and w.promotion_id = any($2)`,
    [tx.tenantId, promotionIds],
  );
  return rows.map(toRecord);
}

/** Watches, the newest first; {@link MAX_LISTED_WATCHES} at most. */
export async function listWatches(
  tx: Tx,
  {
    environment,
    state,
    limit = MAX_LISTED_WATCHES,
  }: {
    readonly environment?: string | undefined;
    readonly state?: WatchState | undefined;
    readonly limit?: number;
  } = {},
): Promise<readonly ReleaseWatchRecord[]> {
  const { rows } = await tx.query<Row>(
    `select ${COLUMNS} from ${TABLE}
      where w.tenant_id = $1 and ($2::text is null or p.environment_id = $2) and ($3::text is null or w.state = $3)
      order by w.since desc, w.promotion_id
      limit $4`,
    [tx.tenantId, environment ?? null, state ?? null, Math.min(limit, MAX_LISTED_WATCHES)],
  );
  return rows.map(toRecord);
}

/**
 * Watches that go on, the oldest first, so that those come that are over; at most `limit`. The next page begins behind `after`, which is the
 * last one of the page before.
 */
export async function listOpenWatches(
  tx: Tx,
  {
    limit,
    after,
  }: {
    readonly limit: number;
    readonly after?: Pick<ReleaseWatchRecord, 'since' | 'promotionId'> | undefined;
  },
): Promise<readonly ReleaseWatchRecord[]> {
  const { rows } = await tx.query<Row>(
    `select ${COLUMNS} from ${TABLE}
      where w.tenant_id = $1 and w.state = 'watching'
        and ($2::timestamptz is null or (w.since, w.promotion_id) > ($2, $3))
      order by w.since, w.promotion_id
      limit $4`,
    [tx.tenantId, after?.since ?? null, after?.promotionId ?? '', limit],
  );
  return rows.map(toRecord);
}

/** Notes how far a watch has come; false when it has ended. */
export async function noteWatchProgress(
  tx: Tx,
  promotionId: string,
  progress: WatchProgress,
): Promise<boolean> {
  const { lookedAt, rounds, blindMs, blind } = progress;
  const { rowCount } = await tx.query(
    `update sluice.release_watches
        set looked_at = $3, rounds = $4, blind_seconds = $5, blind_code = $6, blind_message = $7, progress = $8
      where tenant_id = $1 and promotion_id = $2 and state = 'watching'`,
    [
      tx.tenantId,
      promotionId,
      lookedAt === null ? null : new Date(lookedAt).toISOString(),
      rounds,
      Math.round(blindMs / 1000),
      blind?.code ?? null,
      blind === null ? null : storableText(blind.message),
      JSON.stringify(progress),
    ],
  );
  return rowCount === 1;
}

/** Ends a watch; false when it has ended before. */
export async function endWatch(
  tx: Tx,
  input: {
    readonly promotionId: string;
    readonly state: Exclude<WatchState, 'watching'>;
    readonly reason: ReasonRecord | null;
    readonly rollbackId: string | null;
  },
): Promise<boolean> {
  const { promotionId, state, reason, rollbackId } = input;
  const { rowCount } = await tx.query(
    `update sluice.release_watches
        set state = $3, reason_code = $4, reason_message = $5, rollback_id = $6, ended_at = now()
      where tenant_id = $1 and promotion_id = $2 and state = 'watching'`,
    [
      tx.tenantId,
      promotionId,
      state,
      reason?.code ?? null,
      reason === null ? null : storableText(reason.message),
      rollbackId,
    ],
  );
  return rowCount === 1;
}

/** The newest promotion or rollback that succeeded in the environment after this one did; undefined where it is the newest. */
export async function findSuccessor(tx: Tx, promotionId: string): Promise<string | undefined> {
  const row = firstOf(
    await tx.query<{ promotionId: string }>(
      `select later.promotion_id as "promotionId"
         from sluice.promotions p
         join sluice.promotions later on later.tenant_id = p.tenant_id and later.environment_id = p.environment_id
        where p.tenant_id = $1 and p.promotion_id = $2 and later.state = 'succeeded'
          and (later.ended_at, later.number) > (p.ended_at, p.number)
        order by later.ended_at desc, later.number desc
        limit 1`,
      [tx.tenantId, promotionId],
    ),
  );
  return row?.promotionId;
}

/** Targets that this promotion's deployment is confirmed on and that are still configured, by name. */
export async function listWatchedTargets(
  tx: Tx,
  promotionId: string,
): Promise<readonly TargetRecord[]> {
  const { rows } = await tx.query<{ target: string }>(
    `select target_id as target from sluice.deployments
      where tenant_id = $1 and promotion_id = $2 and state = 'confirmed'`,
    [tx.tenantId, promotionId],
  );
  const targets = await listTargetsByName(
    tx,
    rows.map(({ target }) => target),
  );
  return targets
    .filter(({ removedAt }) => removedAt === null)
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Requests and errors that agents counted of a release in the last so many seconds, for each of these spans. */
export async function sumProbeSamples(
  tx: Tx,
  input: {
    readonly targets: readonly string[];
    readonly releaseDigest: string;
    /** RFC 3339. */
    readonly to: string;
    /** Seconds before `to`. */
    readonly spans: readonly number[];
  },
): Promise<readonly { readonly requests: number; readonly errors: number }[]> {
  const { rows } = await tx.query<{ requests: number; errors: number }>(
    `select coalesce(sum(s.requests), 0)::float8 as requests, coalesce(sum(s.errors), 0)::float8 as errors
       from unnest($5::float8[]) with ordinality as span(seconds, place)
       left join sluice.probe_samples s
         on s.tenant_id = $1 and s.target_id = any($2) and s.active_release = $3
        and s.sampled_at >= $4::timestamptz - make_interval(secs => span.seconds) and s.sampled_at < $4
      group by span.place
      order by span.place`,
    [tx.tenantId, input.targets, input.releaseDigest, input.to, input.spans],
  );
  return rows;
}

function recordOf(row: Row | undefined): ReleaseWatchRecord | undefined {
  return row === undefined ? undefined : toRecord(row);
}

function toRecord(row: Row): ReleaseWatchRecord {
  return { ...row, progress: { ...NO_WATCH_PROGRESS, ...row.progress } };
}
