import type { Tx } from '@sluice/persistence';

/** What a scan of a release left in the evidence store. */
export interface ScanOutputs {
  /** Digest of the findings of all its images. */
  readonly findings: string;
  /** Digest of its one SBOM, or of the list of them. */
  readonly sbom: string;
}

/** The newest scan of a release, whatever environment it was for. */
export interface ReleaseScanRecord extends ScanOutputs {
  readonly releaseDigest: string;
}

/** The newest scan of each of these releases that was ever scanned, in no order: for a batch loader. */
export async function listScansOfReleases(
  tx: Tx,
  releaseDigests: readonly string[],
): Promise<readonly ReleaseScanRecord[]> {
  const { rows } = await tx.query<ReleaseScanRecord>(
    `select k.release as "releaseDigest", s.*
       from unnest($2::text[]) as k(release)
      cross join lateral (
        select st.outputs ->> 'findings' as findings, st.outputs ->> 'sbom' as sbom
          from sluice.promotions p
          join sluice.promotion_steps st
            on st.tenant_id = p.tenant_id and st.promotion_id = p.promotion_id
         where p.tenant_id = $1 and p.release_digest = k.release
           and st.type like 'scan@%' and st.outputs ?& array['findings', 'sbom']
         order by p.requested_at desc, p.promotion_id desc
         limit 1) s`,
    [tx.tenantId, releaseDigests],
  );
  return rows;
}
