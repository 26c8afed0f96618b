import type { Tx } from '../transaction.ts';
import { firstOf } from './single-row.ts';

/** That a blob is in the evidence store and belongs to this tenant. */
export interface EvidenceRecord {
  readonly digest: string;
  readonly mediaType: string;
  /** Bytes. */
  readonly size: number;
  readonly createdAt: string;
}

/** Notes a blob; write the blob first. False when it was noted before. */
export async function insertEvidence(
  tx: Tx,
  input: Pick<EvidenceRecord, 'digest' | 'mediaType' | 'size'>,
): Promise<boolean> {
  const { rowCount } = await tx.query(
    `insert into sluice.evidence (tenant_id, digest, media_type, size) values ($1, $2, $3, $4)
     on conflict (tenant_id, digest) do nothing`,
    [tx.tenantId, input.digest, input.mediaType, input.size],
  );
  return rowCount === 1;
}

/** What is noted of a blob; undefined when this tenant has none such. */
export async function findEvidence(tx: Tx, digest: string): Promise<EvidenceRecord | undefined> {
  return firstOf(
    await tx.query<EvidenceRecord>(
      `select digest, media_type as "mediaType", size, created_at as "createdAt" from sluice.evidence
        where tenant_id = $1 and digest = $2`,
      [tx.tenantId, digest],
    ),
  );
}

/** True when this tenant has the blob. */
export async function hasEvidence(tx: Tx, digest: string): Promise<boolean> {
  return (await findEvidence(tx, digest)) !== undefined;
}

/** The first of these blobs that this tenant does not have; undefined when it has them all. */
export async function findUnownedEvidence(
  tx: Tx,
  digests: readonly string[],
): Promise<string | undefined> {
  const { rows } = await tx.query<{ digest: string }>(
    `select digest from sluice.evidence where tenant_id = $1 and digest = any($2)`,
    [tx.tenantId, digests],
  );
  const owned = new Set(rows.map(({ digest }) => digest));
  return digests.find((digest) => !owned.has(digest));
}
