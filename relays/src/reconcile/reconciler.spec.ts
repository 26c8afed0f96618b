import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { DISCREPANCY_RULES, type DiscrepancyCode, HISTORY_MEDIA_TYPE } from '@sluice/domain';
import { createFolderStore, type EvidenceStore } from '@sluice/evidence-store';
import { createLogger } from '@sluice/observability';
import {
  type DiscrepancyRecord,
  insertEvidence,
  insertHistory,
  type Pool,
  readReconciliation,
  requestRepairs,
  withTenant,
} from '@sluice/persistence';
import { createScene, createTestDatabase, type TestDatabase } from '@sluice/persistence/testing';
import type { WorkflowDescription } from '../engine.ts';
import type { Relay } from '../outbox-relay.ts';
import { startReconciler } from './reconciler.ts';

const tenant = 'acme';
const dev1 = 'promotion/acme/dev/1';
const logger = createLogger({ service: 'test', level: 'silent' });
const digest = `sha256:${'a'.repeat(64)}`;
let database: TestDatabase;
let app: Pool;
let worker: Pool;
let folder: string;
let evidence: EvidenceStore;
let releaseDigest: string;
let reconciler: Relay | undefined;
/** What the engine says; `unknown` of everything else. */
let workflows: Map<
  string,
  { readonly state: 'running' | 'closed'; readonly closedAt: string | null }
>;
let givenBack: string[];
let isEngineAway: boolean;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice reconcile '));
  evidence = createFolderStore(folder);
  database = await createTestDatabase();
  app = database.poolOf('sluice_app');
  worker = database.poolOf('sluice_worker');
  await database.addTenant(tenant);
  releaseDigest = (await createScene(database, tenant)).releaseDigest;
}, 60_000);
beforeEach(async () => {
  workflows = new Map();
  givenBack = [];
  isEngineAway = false;
  for (const table of [
    'workflow_problems',
    'workflow_histories',
    'workflow_executions',
    'outbox',
    'lease_queue',
    'leases',
    'release_requests',
    'discrepancies',
    'reconciliations',
    'events',
    'deployments',
    'plans',
    'current_releases',
    'agents',
    'evidence',
  ]) {
    await sql(`delete from sluice.${table}`);
  }
  await promotionIs('cancelled');
});
afterEach(async () => {
  await reconciler?.stop();
  reconciler = undefined;
});
afterAll(async () => {
  await database?.drop();
  rmSync(folder, { recursive: true, force: true });
});

function sql(text: string, values: readonly unknown[] = []): Promise<readonly unknown[]> {
  return database.query(text, values);
}

/** The scene's promotion `dev/1`: open, or ended (and sealed) ten minutes ago. */
async function promotionIs(state: 'running' | 'cancelled'): Promise<void> {
  const isOpen = state === 'running';
  await sql(
    `update sluice.promotions set state = $1, requested_at = now() - interval '1 hour',
       ended_at = case when $2 then null else now() - interval '10 minutes' end,
       packet_digest = case when $2 then null else $3 end`,
    [state, isOpen, digest],
  );
}

async function addExecution(workflowId = dev1): Promise<void> {
  await sql(
    `insert into sluice.workflow_executions (tenant_id, workflow_id, workflow_type, requested_at, look_at)
     values ($1, $2, 'promoteRelease', now() - interval '1 hour', now() + interval '1 hour')`,
    [tenant, workflowId],
  );
}

async function addHistory(): Promise<string> {
  await addExecution();
  return archiveExecution();
}

async function archiveExecution(): Promise<string> {
  const { digest: archiveDigest, size } = await evidence.put('an archive', { maxBytes: 100 });
  await withTenant(worker, tenant, async (tx) => {
    await insertEvidence(tx, { digest: archiveDigest, mediaType: HISTORY_MEDIA_TYPE, size });
    await insertHistory(tx, {
      workflowId: dev1,
      runId: 'run-1',
      workflowType: 'promoteRelease',
      status: 'completed',
      eventCount: 3,
      buildIds: [],
      bundleDigests: [],
      historyDigest: digest,
      archiveDigest,
      archiveSize: size,
      packetDigest: null,
      statementDigest: digest,
      envelope: { payloadType: 'x', payload: '', signatures: [] },
      startedAt: ago(900),
      closedAt: ago(600),
    });
  });
  await sql('update sluice.workflow_executions set archived_at = now()');
  const hex = archiveDigest.slice('sha256:'.length);
  return join(folder, 'sha256', hex.slice(0, 2), hex);
}

async function addAgent(told: string | null): Promise<void> {
  await sql(
    `insert into sluice.agents (tenant_id, target_id, key_id, public_key, version, active_release, active_reported_at)
     values ($1, 'dev-host-1', $2, 'k', '1', $3, now())`,
    [tenant, digest, told],
  );
}

function ago(seconds: number): string {
  return new Date(Date.now() - seconds * 1000).toISOString();
}

const closed = { state: 'closed', closedAt: ago(600) } as const;
const running = { state: 'running', closedAt: null } as const;

/** How each kind comes about and is mended from outside; what its repair leaves where there is one. */
const STORIES: Readonly<
  Record<
    DiscrepancyCode,
    {
      readonly subject: string;
      readonly arise: () => Promise<unknown>;
      readonly mend: () => Promise<unknown>;
      readonly repaired?: () => Promise<boolean>;
    }
  >
> = {
  'promotion-abandoned': {
    subject: 'promotion:dev/1',
    arise: async () => {
      await promotionIs('running');
      workflows.set(dev1, closed);
    },
    repaired: () => exists(`select from sluice.outbox where workflow_id = 'settlement/acme/dev/1'`),
    mend: async () => workflows.set('settlement/acme/dev/1', running),
  },
  'lease-of-ended': {
    subject: 'promotion:dev/1',
    arise: () =>
      sql(
        `insert into sluice.leases (tenant_id, resource, holder) values ($1, 'environment:dev', 'promotion:dev/1')`,
        [tenant],
      ),
    repaired: async () => givenBack.includes('dev/1 environment:dev'),
    mend: () => sql(`update sluice.leases set holder = null`),
  },
  'workflow-outlives-promotion': {
    subject: `workflow:${dev1}`,
    arise: async () => {
      await addExecution();
      workflows.set(dev1, running);
    },
    repaired: () =>
      exists(
        `select from sluice.outbox where kind = 'terminate-workflow' and workflow_id = '${dev1}'`,
      ),
    mend: async () => workflows.set(dev1, { state: 'closed', closedAt: ago(1) }),
  },
  'release-request-abandoned': {
    subject: 'release-request:r1',
    arise: () =>
      sql(
        `insert into sluice.release_requests (tenant_id, request_id, state, body, requested_by, created_at)
         values ($1, 'r1', 'resolving', '{"name": "hello", "version": "1"}', 'root', now() - interval '1 hour')`,
        [tenant],
      ),
    repaired: () =>
      exists(
        `select from sluice.release_requests r join sluice.events e on e.subject = 'release-request:r1'
          where r.state = 'refused' and r.refusal_code = 'release-request-abandoned' and e.type = 'release.refused'`,
      ),
    mend: async () => undefined,
  },
  'history-missing': {
    subject: `workflow:${dev1}`,
    arise: async () => {
      await addExecution();
      workflows.set(dev1, closed);
    },
    repaired: () => exists(`select from sluice.workflow_executions where look_at <= now()`),
    mend: () => archiveExecution(),
  },
  'history-lost': {
    subject: `workflow:${dev1}`,
    arise: async () => {
      await addExecution();
      await sql('update sluice.workflow_executions set lost_at = now()');
    },
    mend: async () => {
      await sql('update sluice.workflow_executions set lost_at = null');
      await archiveExecution();
    },
  },
  'history-damaged': {
    subject: `workflow:${dev1}/run-1`,
    arise: async () => writeFileSync(await addHistory(), 'another archive'),
    mend: () => evidence.put('an archive', { maxBytes: 100 }),
  },
  'workflow-stuck': {
    subject: `workflow:${dev1}`,
    arise: async () => {
      await addExecution();
      await sql(
        `insert into sluice.workflow_problems (tenant_id, workflow_id, code, message, attempt)
         values ($1, $2, 'no-worker', 'Nobody takes its tasks.', 1)`,
        [tenant, dev1],
      );
    },
    mend: () => sql('delete from sluice.workflow_problems'),
  },
  'target-differs': {
    subject: 'target:dev-host-1',
    arise: () => addAgent(releaseDigest),
    mend: () => sql('update sluice.agents set active_release = null'),
  },
  'deployment-lost': {
    subject: 'target:dev-host-1',
    arise: async () => {
      await sql(`insert into sluice.plans (tenant_id, plan_digest, body) values ($1, $2, '{}')`, [
        tenant,
        digest,
      ]);
      await sql(
        `insert into sluice.deployments (tenant_id, promotion_id, target_id, plan_digest, state)
         values ($1, 'dev/1', 'dev-host-1', $2, 'lost')`,
        [tenant, digest],
      );
    },
    mend: () => sql(`update sluice.deployments set state = 'confirmed'`),
  },
  'message-undelivered': {
    subject: expect.stringMatching(/^message:\d+$/) as unknown as string,
    arise: () =>
      sql(
        `insert into sluice.outbox (tenant_id, kind, body, created_at, next_attempt_at, last_error)
         values ($1, 'signal-workflow', $2, now() - interval '5 minutes', now() + interval '1 hour', 'away')`,
        [tenant, JSON.stringify({ workflowId: dev1, secret: 'not shown' })],
      ),
    mend: () => sql('update sluice.outbox set delivered_at = now()'),
  },
};

test('every kind has a story here', () => {
  expect(Object.keys(STORIES).sort()).toEqual(Object.keys(DISCREPANCY_RULES).sort());
});

test.each(Object.entries(STORIES))(
  '%s is found, repaired or raised by its rule, and cleared',
  async (code, { subject, arise, mend, repaired }) => {
    const rule = DISCREPANCY_RULES[code as DiscrepancyCode];
    await arise();
    start();
    const found = await untilFound(code);
    expect(found).toMatchObject({ subject, code, action: rule.action, remedy: rule.remedy });
    expect(JSON.stringify(found)).not.toContain('not shown');
    expect(rule.repairable).toBe(repaired !== undefined);
    if (repaired !== undefined) {
      if (rule.action === 'raise') {
        await untilLooked();
        expect(await repaired()).toBe(false);
        expect(await ask(found)).toEqual([found.discrepancyId]);
      }
      await until(repaired);
      await until(async () => (await told(found)).includes('discrepancy.repaired'));
    } else {
      expect(await ask(found)).toEqual([]);
    }
    await mend();
    await until(async () => !(await shown()).some((one) => one.code === code));
    const types = await told(found);
    expect(types[0]).toBe('discrepancy.raised');
    expect(types.at(-1)).toBe('discrepancy.cleared');
    expect(types.filter((type) => type === 'discrepancy.raised')).toHaveLength(1);
    expect(types.filter((type) => type === 'discrepancy.repaired')).toHaveLength(repaired ? 1 : 0);
  },
  60_000,
);

test('a missing file is found as well; an engine that does not answer concludes nothing', async () => {
  rmSync(await addHistory());
  isEngineAway = true;
  await promotionIs('running');
  start();
  await pause(500);
  expect(await readLookedAt()).toBeNull();
  isEngineAway = false;
  await promotionIs('cancelled');
  expect((await untilFound('history-damaged')).detail).toMatchObject({ file: 'missing' });
}, 60_000);

test('a file that cannot be read is a discrepancy, and holds up no other comparison', async () => {
  await addHistory();
  await addAgent(releaseDigest);
  const refuse = async (): Promise<never> => {
    throw Object.assign(new Error('EACCES: permission denied, stat /var/secret'), {
      code: 'EACCES',
    });
  };
  start(0.2, { has: refuse, get: refuse });
  const found = await untilFound('history-damaged');
  expect(found.detail).toMatchObject({ file: 'unreadable', error: 'EACCES' });
  expect(found.message).toContain('cannot be read (EACCES)');
  expect(found.message).not.toContain('/var/secret');
  await untilFound('target-differs');
}, 60_000);

test('what is marked as archived without an archived run is looked at again', async () => {
  await addExecution();
  await sql('update sluice.workflow_executions set archived_at = now()');
  start();
  expect(await untilFound('history-missing')).toMatchObject({ subject: `workflow:${dev1}` });
  await until(() =>
    exists('select from sluice.workflow_executions where archived_at is null and look_at <= now()'),
  );
  await archiveExecution();
  await until(async () => (await shown()).length === 0);
}, 60_000);

test('a repair that fails says why, and is asked for again by people', async () => {
  await STORIES['workflow-outlives-promotion'].arise();
  await sql(`revoke insert on sluice.outbox from sluice_worker`);
  start();
  const found = await untilFound('workflow-outlives-promotion');
  await ask(found);
  let failed: DiscrepancyRecord | undefined;
  await until(async () => {
    failed = (await shown()).find(({ repairError }) => repairError !== null);
    return failed !== undefined;
  });
  expect(failed).toMatchObject({
    repairError: expect.stringContaining('permission denied'),
    repairRequestedAt: null,
  });
  await sql(`grant insert on sluice.outbox to sluice_worker`);
  await ask(found);
  await until(STORIES['workflow-outlives-promotion'].repaired as () => Promise<boolean>);
}, 60_000);

test('where all agree there is nothing but the time of the look', async () => {
  start(60);
  await until(async () => (await readLookedAt()) !== null);
  expect(await shown()).toEqual([]);
  expect(await sql('select type from sluice.events')).toEqual([]);
}, 60_000);

function start(periodSeconds = 0.2, files: Pick<EvidenceStore, 'has' | 'get'> = evidence): void {
  reconciler = startReconciler({
    pool: database.poolOf('sluice_watchdog'),
    connectionString: database.urlOf('sluice_watchdog'),
    workerPool: worker,
    engine: {
      describeWorkflow: async (workflowId): Promise<WorkflowDescription> => {
        if (isEngineAway) throw new Error('14 UNAVAILABLE');
        const found = workflows.get(workflowId) ?? { state: 'unknown' as const, closedAt: null };
        return {
          runId: null,
          historyLength: 0,
          pendingTask: null,
          pendingActivities: [],
          reportedProblems: [],
          ...found,
        };
      },
    },
    evidence: files,
    releaseLeaseOfEnded: async ({ promotionId, resource }) => {
      givenBack.push(`${promotionId} ${resource}`);
      return true;
    },
    logger,
    periodSeconds,
  });
}

function ask(found: DiscrepancyRecord): Promise<readonly string[]> {
  return withTenant(app, tenant, (tx) => requestRepairs(tx, [found.discrepancyId, 'x:y'], 'root'));
}

async function shown(): Promise<readonly DiscrepancyRecord[]> {
  return (await withTenant(app, tenant, readReconciliation)).discrepancies;
}

async function readLookedAt(): Promise<string | null> {
  return (await withTenant(app, tenant, readReconciliation)).lookedAt;
}

async function untilLooked(): Promise<void> {
  const before = await readLookedAt();
  await until(async () => (await readLookedAt()) !== before);
}

async function untilFound(code: string): Promise<DiscrepancyRecord> {
  let found: DiscrepancyRecord | undefined;
  await until(async () => {
    found = (await shown()).find((one) => one.code === code);
    return found !== undefined;
  });
  return found as DiscrepancyRecord;
}

async function told({ code, subject }: DiscrepancyRecord): Promise<readonly string[]> {
  const rows = await database.query<{ type: string }>(
    `select type from sluice.events
      where subject = $1 and type like 'discrepancy.%' and data ->> 'code' = $2 order by arrival`,
    [subject, code],
  );
  return rows.map(({ type }) => type);
}

async function exists(query: string): Promise<boolean> {
  return (await database.query(query)).length > 0;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 25_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error('It did not become true within 25 s.');
    await pause(50);
  }
}
