import type { Pipeline, PipelineTemplate, ResolvedPipeline } from '@sluice/domain';
import { digestOf } from '@sluice/pure';
import { decodeCursor, type Page, type PageRequest, pageOf, rowsToRead } from '../cursor.ts';
import { PersistenceError } from '../persistence-error.ts';
import type { Tx } from '../transaction.ts';
import { existing, firstOf } from './single-row.ts';

/** One version of a pipeline: a built-in one, or a team's template. */
export interface PipelineRecord {
  readonly name: string;
  readonly version: number;
  readonly pipelineDigest: string;
  readonly body: Pipeline | PipelineTemplate;
  /** A principal; null of what Sluice or the configuration brings. */
  readonly publishedBy: string | null;
  readonly publishedAt: string;
}

/** A pipeline without its body, with its newest version. */
export type PipelineSummary = Omit<PipelineRecord, 'body' | 'pipelineDigest'>;

const HEAD = `pipeline_id as name, version, published_by as "publishedBy", published_at as "publishedAt"`;
const COLUMNS = `${HEAD}, pipeline_digest as "pipelineDigest", body`;

/** The newest version of a pipeline. */
export async function findPipeline(tx: Tx, name: string): Promise<PipelineRecord | undefined> {
  return firstOf(
    await tx.query<PipelineRecord>(
      `select ${COLUMNS} from sluice.pipelines
        where tenant_id = $1 and pipeline_id = $2
        order by version desc
        limit 1`,
      [tx.tenantId, name],
    ),
  );
}

/** The newest version of a pipeline; throws `not-found`. */
export async function getPipeline(tx: Tx, name: string): Promise<PipelineRecord> {
  return existing(await findPipeline(tx, name), `pipeline ${name}`, tx.tenantId);
}

/** One version of a pipeline. */
export async function findPipelineVersion(
  tx: Tx,
  name: string,
  version: number,
): Promise<PipelineRecord | undefined> {
  return firstOf({ rows: await listPipelinesByVersion(tx, [{ name, version }]) });
}

/** Those of these versions that exist, in no order: for a batch loader, and for what a pipeline is made of. */
export async function listPipelinesByVersion(
  tx: Tx,
  wanted: readonly { readonly name: string; readonly version: number }[],
): Promise<readonly PipelineRecord[]> {
  const { rows } = await tx.query<PipelineRecord>(
    `select ${COLUMNS} from sluice.pipelines
      where tenant_id = $1
        and (pipeline_id, version) in (select w.name, w.version from unnest($2::text[], $3::integer[]) as w(name, version))`,
    [tx.tenantId, wanted.map(({ name }) => name), wanted.map(({ version }) => version)],
  );
  return rows;
}

/** Versions of one pipeline, newest first. */
export async function listPipelineVersions(
  tx: Tx,
  { name, ...page }: PageRequest & { readonly name: string },
): Promise<Page<PipelineRecord>> {
  const [before] = decodeCursor(page.after, ['number']) ?? [null];
  const { rows } = await tx.query<PipelineRecord>(
    `select ${COLUMNS} from sluice.pipelines
      where tenant_id = $1 and pipeline_id = $2 and version < coalesce($3::integer, 2147483647)
      order by version desc
      limit $4`,
    [tx.tenantId, name, before, rowsToRead(page)],
  );
  return pageOf(rows, page, ({ version }) => [version]);
}

/** Pipelines by name, each with its newest version. */
export async function listPipelines(tx: Tx, page: PageRequest): Promise<Page<PipelineSummary>> {
  const [after] = decodeCursor(page.after, ['string']) ?? [''];
  // One step of the index for each name, whatever number of versions it has.
  const { rows } = await tx.query<PipelineSummary>(
    `with recursive names as (
       (select pipeline_id, 1 as place from sluice.pipelines
         where tenant_id = $1 and pipeline_id > $2 order by pipeline_id limit 1)
       union all
       select next.pipeline_id, names.place + 1 from names
        cross join lateral (
          select p.pipeline_id from sluice.pipelines p
           where p.tenant_id = $1 and p.pipeline_id > names.pipeline_id
           order by p.pipeline_id limit 1) next
        where names.place < $3)
     select newest.* from names
      cross join lateral (
        select ${HEAD} from sluice.pipelines p
         where p.tenant_id = $1 and p.pipeline_id = names.pipeline_id
         order by p.version desc limit 1) newest
      order by names.place`,
    [tx.tenantId, after, rowsToRead(page)],
  );
  return pageOf(rows, page, ({ name }) => [name]);
}

/**
 * Publishes a version of a pipeline. The same one again changes nothing (`published: false`).
 * Throws `pipeline-version-taken` for a version that was published with other content.
 */
export async function publishPipeline(
  tx: Tx,
  input: { readonly template: Pipeline | PipelineTemplate; readonly publishedBy: string | null },
): Promise<{ readonly published: boolean; readonly pipelineDigest: string }> {
  const { template, publishedBy } = input;
  const { name, version } = template;
  const pipelineDigest = digestOf(template);
  const { rowCount } = await tx.query(
    `insert into sluice.pipelines (tenant_id, pipeline_id, version, pipeline_digest, body, published_by)
     values ($1, $2, $3, $4, $5, $6)
     on conflict (tenant_id, pipeline_id, version) do nothing`,
    [tx.tenantId, name, version, pipelineDigest, JSON.stringify(template), publishedBy],
  );
  if (rowCount === 1) return { published: true, pipelineDigest };
  const stored = await findPipelineVersion(tx, name, version);
  if (stored?.pipelineDigest !== pipelineDigest) {
    throw new PersistenceError(
      'pipeline-version-taken',
      `Pipeline ${name} version ${version} was published with other content: a version never changes, so raise it.`,
    );
  }
  return { published: false, pipelineDigest };
}

/** Stores what a promotion runs, by its digest; the same again changes nothing. */
export async function insertResolvedPipeline(
  tx: Tx,
  input: { readonly digest: string; readonly body: ResolvedPipeline },
): Promise<void> {
  await tx.query(
    `insert into sluice.resolved_pipelines (tenant_id, pipeline_digest, body) values ($1, $2, $3)
     on conflict (tenant_id, pipeline_digest) do nothing`,
    [tx.tenantId, input.digest, JSON.stringify(input.body)],
  );
}

/** What promotions of this digest run. */
export async function findResolvedPipeline(
  tx: Tx,
  digest: string,
): Promise<ResolvedPipeline | undefined> {
  const row = firstOf(
    await tx.query<{ body: ResolvedPipeline }>(
      `select body from sluice.resolved_pipelines where tenant_id = $1 and pipeline_digest = $2`,
      [tx.tenantId, digest],
    ),
  );
  return row?.body;
}

/** What promotions of this digest run; throws `not-found`. */
export async function getResolvedPipeline(tx: Tx, digest: string): Promise<ResolvedPipeline> {
  return existing(
    await findResolvedPipeline(tx, digest),
    `resolved pipeline ${digest}`,
    tx.tenantId,
  );
}
