import type { Queryable } from '../pool.ts';
import { firstOf } from './single-row.ts';

/** Workflow code that workers ran. It belongs to the deployment, to no tenant. */
export interface BundleRecord {
  readonly bundleDigest: string;
  readonly buildId: string;
  /** Version of the engine's SDK. */
  readonly sdkVersion: string;
  /** Of the gzipped code in the evidence store. */
  readonly contentDigest: string;
  /** Bytes of the code, before it was gzipped. */
  readonly size: number;
  readonly firstSeenAt: string;
}

const COLUMNS = `bundle_digest as "bundleDigest", build_id as "buildId", sdk_version as "sdkVersion",
  content_digest as "contentDigest", size, first_seen_at as "firstSeenAt"`;

/** Bundles that are listed at most. */
const MOST_BUNDLES = 1000;

/** Notes that a bundle is kept; write its code first. False when it was kept before. */
export async function keepBundle(
  database: Queryable,
  bundle: Omit<BundleRecord, 'firstSeenAt'>,
): Promise<boolean> {
  const { rowCount } = await database.query(
    `insert into sluice.workflow_bundles (bundle_digest, build_id, sdk_version, content_digest, size)
     values ($1, $2, $3, $4, $5)
     on conflict (bundle_digest) do nothing`,
    [bundle.bundleDigest, bundle.buildId, bundle.sdkVersion, bundle.contentDigest, bundle.size],
  );
  return rowCount === 1;
}

/** Kept bundles, oldest first; the newest thousand where there are more. */
export async function listBundles(database: Queryable): Promise<readonly BundleRecord[]> {
  const { rows } = await database.query<BundleRecord>(
    `select ${COLUMNS} from sluice.workflow_bundles
      order by first_seen_at desc, bundle_digest desc
      limit $1`,
    [MOST_BUNDLES],
  );
  return [...rows].reverse();
}

/** A kept bundle by the digest of its code. */
export async function findBundle(
  database: Queryable,
  bundleDigest: string,
): Promise<BundleRecord | undefined> {
  return firstOf(
    await database.query<BundleRecord>(
      `select ${COLUMNS} from sluice.workflow_bundles where bundle_digest = $1`,
      [bundleDigest],
    ),
  );
}

/**
 * The digests of the bundles of these builds, as far as they were kept. A build that came with several bundles has the one
 * that was seen last.
 */
export async function bundleDigestsOfBuilds(
  database: Queryable,
  buildIds: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const { rows } = await database.query<{ buildId: string; bundleDigest: string }>(
    `select build_id as "buildId", bundle_digest as "bundleDigest" from sluice.workflow_bundles
      where build_id = any($1)
      order by first_seen_at, bundle_digest`,
    [buildIds],
  );
  return new Map(rows.map(({ buildId, bundleDigest }) => [buildId, bundleDigest]));
}
