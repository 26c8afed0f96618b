import type { ResolvedPipeline } from '@sluice/domain';
import type { Tx } from '../transaction.ts';
import { ENVIRONMENT_COLUMNS, type EnvironmentRecord } from './environment.repository.ts';
import type { PipelineRecord } from './pipeline.repository.ts';

/** A version of a pipeline without what it says. */
export type PipelineVersionRecord = Omit<PipelineRecord, 'body'>;

/** Versions of one pipeline that are listed; older ones are read by their number. */
export const MAX_LISTED_VERSIONS = 100;

/** Versions of several pipelines, newest first, the {@link MAX_LISTED_VERSIONS} newest of each: for a batch loader. */
export async function listPipelineVersionsOf(
  tx: Tx,
  names: readonly string[],
): Promise<readonly PipelineVersionRecord[]> {
  const { rows } = await tx.query<PipelineVersionRecord>(
    `select v.* from unnest($2::text[]) with ordinality as k(name, n)
      cross join lateral (
        select pipeline_id as name, version, pipeline_digest as "pipelineDigest",
               published_by as "publishedBy", published_at as "publishedAt"
          from sluice.pipelines
         where tenant_id = $1 and pipeline_id = k.name
         order by version desc
         limit $3) v
      order by k.n, v.version desc`,
    [tx.tenantId, names, MAX_LISTED_VERSIONS],
  );
  return rows;
}

/** Environments that run these pipelines, in promotion order, those that the configuration names: for a batch loader. */
export async function listEnvironmentsOfPipelines(
  tx: Tx,
  names: readonly string[],
): Promise<readonly EnvironmentRecord[]> {
  const { rows } = await tx.query<EnvironmentRecord>(
    `select ${ENVIRONMENT_COLUMNS} from sluice.environments
      where tenant_id = $1 and pipeline_id = any($2) and removed_at is null
      order by position, environment_id`,
    [tx.tenantId, names],
  );
  return rows;
}

/** Those of these resolved pipelines that are there, in no order: for a batch loader. */
export async function listResolvedPipelines(
  tx: Tx,
  digests: readonly string[],
): Promise<readonly { readonly pipelineDigest: string; readonly body: ResolvedPipeline }[]> {
  const { rows } = await tx.query<{ pipelineDigest: string; body: ResolvedPipeline }>(
    `select pipeline_digest as "pipelineDigest", body from sluice.resolved_pipelines
      where tenant_id = $1 and pipeline_digest = any($2)`,
    [tx.tenantId, digests],
  );
  return rows;
}
