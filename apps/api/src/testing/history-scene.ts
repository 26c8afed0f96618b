import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import {
  type DiscrepancyCode,
  discrepancyId,
  HISTORY_MEDIA_TYPE,
  type WorkflowProblemCode,
} from '@sluice/domain';
import {
  expireHistory,
  insertEvidence,
  insertHistory,
  keepBundle,
  type Tx,
  upsertProblem,
  withTenant,
} from '@sluice/persistence';
import { digestOfBytes } from '@sluice/pure';
import { headOf, readHistoryFile, sealHistory } from '@sluice/temporal-client';
import { promotionWorkflowId, settlementWorkflowId, WORKFLOWS } from '@sluice/temporal-contract';
import { envelopeOf } from './scene.ts';
import { TENANT, TEST_CODEC_KEYS, type TestApi } from './test-api.ts';

const RECORDED = new URL('../../../../test/replay/histories/', import.meta.url);

/** How a history is archived. */
export interface HistoryScene {
  readonly tenant?: string;
  /** Of what settled the promotion, and not of its own workflow. */
  readonly settled?: boolean;
  /** Name of a recorded history. */
  readonly recorded?: string;
  readonly keys?: typeof TEST_CODEC_KEYS;
}

/** One archived run as a test needs it. */
export interface ArchivedRun {
  readonly workflowId: string;
  readonly runId: string;
  readonly archiveDigest: string;
}

/** Archives a recorded history under a promotion's workflow, as the archiver would: file, evidence, row. */
export async function addHistory(
  api: TestApi,
  promotionId: string,
  scene: HistoryScene = {},
): Promise<ArchivedRun> {
  const { tenant = TENANT, settled = false, keys = TEST_CODEC_KEYS } = scene;
  const { recorded = settled ? 'settlement-reverted' : 'promotion-succeeded' } = scene;
  const { history } = await readHistoryFile(await readFile(new URL(`${recorded}.json`, RECORDED)));
  const workflowId = await expectWorkflow(api, promotionId, tenant, settled);
  const runId = randomUUID();
  const head = headOf({
    tenantId: tenant,
    workflowId,
    runId,
    history,
    bundleDigestOf: () => undefined,
  });
  const bytes = await sealHistory({ history, head, keys });
  const { digest, size } = await api.evidence.put(bytes, { maxBytes: 1_000_000 });
  await withTenant(api.workerPool, tenant, async (tx) => {
    await insertEvidence(tx, { digest, mediaType: HISTORY_MEDIA_TYPE, size });
    await insertHistory(tx, {
      ...head,
      archiveDigest: digest,
      archiveSize: size,
      packetDigest: null,
      statementDigest: digestOfBytes(`statement of ${runId}`),
      envelope: envelopeOf(runId),
    });
  });
  return { workflowId, runId, archiveDigest: digest };
}

/** Gives a promotion a run that goes on in the engine: a recorded history without its last event. */
export async function addLiveHistory(
  api: TestApi,
  promotionId: string,
  recorded = 'promotion-succeeded',
): Promise<{ readonly workflowId: string; readonly events: number }> {
  const { history } = await readHistoryFile(await readFile(new URL(`${recorded}.json`, RECORDED)));
  const workflowId = await expectWorkflow(api, promotionId, TENANT, false);
  const events = (history.events ?? []).slice(0, -1);
  const promotion = { tenantId: TENANT, promotionId };
  api.engine.run(promotion);
  api.engine.recall(promotion, { events });
  return { workflowId, events: events.length };
}

/** Removes an archived run by rule, as the archiver would. The test's store keeps the file: nobody may ask for it. */
export async function expire(api: TestApi, run: ArchivedRun, tenant = TENANT): Promise<void> {
  await withTenant(api.workerPool, tenant, (tx) => expireHistory(tx, run));
}

/** Gives every promotion an archived run, of which there is no file, and a problem: a few statements for all. */
export async function addRunsToAll(
  api: TestApi,
  { buildId, bundleDigest }: { readonly buildId: string; readonly bundleDigest: string },
): Promise<void> {
  const workflow = `tenant_id, 'promotion/' || tenant_id || '/' || promotion_id`;
  await api.database.query(
    `insert into sluice.workflow_executions (tenant_id, workflow_id, workflow_type)
     select ${workflow}, $1 from sluice.promotions`,
    [WORKFLOWS.promoteRelease],
  );
  await api.database.query(
    `insert into sluice.workflow_histories (tenant_id, workflow_id, run_id, workflow_type, status, event_count,
       build_ids, bundle_digests, history_digest, archive_digest, archive_size, statement_digest, envelope,
       started_at, closed_at)
     select ${workflow}, gen_random_uuid(), $1, 'completed', 3, array[$2], array[$3], $3, $3, 1, $3, '{}', now(), now()
       from sluice.promotions`,
    [WORKFLOWS.promoteRelease, buildId, bundleDigest],
  );
  await api.database.query(
    `insert into sluice.workflow_problems (tenant_id, workflow_id, code, message, attempt)
     select ${workflow}, 'no-worker', 'Nobody takes its tasks.', 1 from sluice.promotions`,
  );
}

/** Makes a promotion's workflow, or what settles it, stand still. */
export async function addProblem(
  api: TestApi,
  promotionId: string,
  code: WorkflowProblemCode = 'activity-failing',
  { settled = false, tenant = TENANT } = {},
): Promise<string> {
  const workflowId = await expectWorkflow(api, promotionId, tenant, settled);
  const isActivity = code === 'activity-failing';
  await withTenant(api.workerPool, tenant, (tx: Tx) =>
    upsertProblem(tx, workflowId, {
      code,
      message: `${workflowId} does not go on.`,
      cause: 'the scanner has no database',
      attempt: 7,
      event: 20,
      activity: isActivity ? 'executeStep' : null,
      buildId: 'build-7',
    }),
  );
  return workflowId;
}

/** Stores a discrepancy as the watchdog would; gives its id. */
export async function addDiscrepancy(
  api: TestApi,
  code: DiscrepancyCode,
  subject: string = `promotion:dev/${randomUUID()}`,
  tenant = TENANT,
): Promise<string> {
  const id = discrepancyId({ code, subject });
  await api.database.query(
    `insert into sluice.discrepancies (tenant_id, discrepancy_id, code, subject, action, message, remedy)
     values ($1, $2, $3, $4, 'raise', 'They disagree.', 'Look at it.')`,
    [tenant, id, code, subject],
  );
  return id;
}

/** Keeps workflow code as the worker would; `gzipped` stands for it. */
export async function addBundle(api: TestApi, buildId: string, gzipped: string): Promise<string> {
  const { digest } = await api.evidence.put(gzipped, { maxBytes: 1_000_000 });
  const bundleDigest = digestOfBytes(`code of ${buildId}`);
  await keepBundle(api.workerPool, {
    bundleDigest,
    buildId,
    sdkVersion: '1.23.0',
    contentDigest: digest,
    size: 1000,
  });
  return bundleDigest;
}

/** Notes that a workflow was asked for, as the outbox does. */
async function expectWorkflow(
  api: TestApi,
  promotionId: string,
  tenant: string,
  settled: boolean,
): Promise<string> {
  const workflowId = settled
    ? settlementWorkflowId(tenant, promotionId)
    : promotionWorkflowId(tenant, promotionId);
  await api.database.query(
    `insert into sluice.workflow_executions (tenant_id, workflow_id, workflow_type) values ($1, $2, $3)
     on conflict do nothing`,
    [tenant, workflowId, settled ? WORKFLOWS.settlePromotion : WORKFLOWS.promoteRelease],
  );
  return workflowId;
}
