import { accepted, type Outcome, type Release, refused } from '@sluice/domain';
import { releaseDigest } from '@sluice/pure';
import { decodeCursor, type Page, type PageRequest, pageOf, rowsToRead } from '../cursor.ts';
import type { Tx } from '../transaction.ts';
import { existing, firstOf } from './single-row.ts';

/** A stored release: the canonical value, and what stands beside it. */
export interface ReleaseRecord {
  readonly releaseDigest: string;
  readonly name: string;
  readonly version: string;
  readonly body: Release;
  readonly createdBy: string;
  readonly createdAt: string;
}

const COLUMNS = `release_digest as "releaseDigest", name, version, body, created_by as "createdBy",
  created_at as "createdAt"`;

/**
 * Stores a release. The same release again changes nothing (`created: false`).
 * Refusal: `release-version-taken` when other content has this name and version.
 */
export async function insertRelease(
  tx: Tx,
  input: { readonly release: Release; readonly createdBy: string },
): Promise<Outcome<{ readonly releaseDigest: string; readonly created: boolean }>> {
  const { release, createdBy } = input;
  const digest = releaseDigest(release);
  const { rowCount } = await tx.query(
    `insert into sluice.releases (tenant_id, release_digest, name, version, body, created_by)
     values ($1, $2, $3, $4, $5, $6)
     on conflict do nothing`,
    [tx.tenantId, digest, release.name, release.version, JSON.stringify(release), createdBy],
  );
  if (rowCount === 1) return accepted({ releaseDigest: digest, created: true });
  if ((await findRelease(tx, digest)) !== undefined) {
    return accepted({ releaseDigest: digest, created: false });
  }
  return refused(
    'release-version-taken',
    `Release ${release.name} ${release.version} exists with other content: choose another version.`,
  );
}

/** A release by its digest. */
export async function findRelease(tx: Tx, digest: string): Promise<ReleaseRecord | undefined> {
  return firstOf(
    await tx.query<ReleaseRecord>(
      `select ${COLUMNS} from sluice.releases where tenant_id = $1 and release_digest = $2`,
      [tx.tenantId, digest],
    ),
  );
}

/** A release by its digest; throws `not-found`. */
export async function getRelease(tx: Tx, digest: string): Promise<ReleaseRecord> {
  return existing(await findRelease(tx, digest), `release ${digest}`, tx.tenantId);
}

/** A release by its name and version. */
export async function findReleaseByVersion(
  tx: Tx,
  name: string,
  version: string,
): Promise<ReleaseRecord | undefined> {
  return firstOf(
    await tx.query<ReleaseRecord>(
      `select ${COLUMNS} from sluice.releases where tenant_id = $1 and name = $2 and version = $3`,
      [tx.tenantId, name, version],
    ),
  );
}

/** Those of these releases that exist, in no order: for a batch loader. */
export async function listReleasesByDigest(
  tx: Tx,
  digests: readonly string[],
): Promise<readonly ReleaseRecord[]> {
  const { rows } = await tx.query<ReleaseRecord>(
    `select ${COLUMNS} from sluice.releases where tenant_id = $1 and release_digest = any($2)`,
    [tx.tenantId, digests],
  );
  return rows;
}

/** Releases, newest first; only those with this name when one is given. */
export async function listReleases(
  tx: Tx,
  request: PageRequest & { readonly name?: string | null | undefined },
): Promise<Page<ReleaseRecord>> {
  const limit = rowsToRead(request);
  const [createdAt, digest] = decodeCursor(request.after, ['instant', 'string']) ?? [null, null];
  const named = request.name === undefined || request.name === null;
  const { rows } = await tx.query<ReleaseRecord>(
    `select ${COLUMNS} from sluice.releases
      where tenant_id = $1
        and (created_at, release_digest) < (coalesce($2::timestamptz, 'infinity'), coalesce($3, ''))
        ${named ? 'and $4::text is null' : 'and name = $4'}
      order by created_at desc, release_digest desc
      limit $5`,
    [tx.tenantId, createdAt, digest, request.name ?? null, limit],
  );
  return pageOf(rows, request, (row) => [row.createdAt, row.releaseDigest]);
}
