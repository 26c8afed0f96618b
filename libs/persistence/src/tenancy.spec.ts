import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { composePlan, composePlanSet, type Envelope } from '@sluice/domain';
import { digestOfBytes } from '@sluice/pure';
import { TABLES_WITHOUT_TENANT } from './catalogue-walk.ts';
import type { Pool } from './pool.ts';
import {
  consumeEnrolmentToken,
  enrolAgent,
  rememberNonce,
} from './repositories/agent.repository.ts';
import { insertApproval } from './repositories/approval.repository.ts';
import { insertApprovalRequest } from './repositories/approval-request.repository.ts';
import { insertCommand, nextCommandSequence } from './repositories/command.repository.ts';
import { setCurrentRelease } from './repositories/current-release.repository.ts';
import { insertDecision } from './repositories/decision.repository.ts';
import { upsertDeployment } from './repositories/deployment.repository.ts';
import { noteReconciliation, replaceDiscrepancies } from './repositories/discrepancy.repository.ts';
import { insertEffect } from './repositories/effect.repository.ts';
import { linkEvents } from './repositories/event-chain.ts';
import { insertEvidence } from './repositories/evidence.repository.ts';
import { insertHistory } from './repositories/history.repository.ts';
import { answerOnce } from './repositories/idempotency.repository.ts';
import { takeLease } from './repositories/lease.repository.ts';
import { enqueueOutbox } from './repositories/outbox.repository.ts';
import { insertResolvedPipeline } from './repositories/pipeline.repository.ts';
import { insertPlan, insertPlanSet } from './repositories/plan.repository.ts';
import { upsertProblem } from './repositories/problem.repository.ts';
import { insertReleaseRequest } from './repositories/release-request.repository.ts';
import { insertReport } from './repositories/report.repository.ts';
import { insertStatement } from './repositories/statement.repository.ts';
import { appendLogChunks, openStepLog } from './repositories/step-log.repository.ts';
import { insertMembers } from './repositories/step-member.repository.ts';
import { RUNTIME_ROLES } from './roles.ts';
import { createScene, createTestDatabase, type TestDatabase } from './testing/index.ts';
import { withTenant } from './transaction.ts';

const envelope: Envelope = { payloadType: 'p', payload: 'AA==', signatures: [] };
const target = 'dev-host-1';
/** Rights of these pass all tenants on purpose, by a policy of their own. */
const ACROSS_TENANTS: Readonly<Record<string, readonly string[]>> = {
  sluice_relay: ['outbox'],
  sluice_linker: ['events', 'event_chains', 'tenants'],
  sluice_watchdog: [
    'promotions',
    'outbox',
    'leases',
    'lease_queue',
    'workflow_executions',
    'tenants',
  ],
};
let database: TestDatabase;
let tables: readonly string[];

/** Rows of acme in every table, written by the roles that write them when Sluice runs. */
async function fillEveryTable(): Promise<void> {
  const app = database.poolOf('sluice_app');
  const worker = database.poolOf('sluice_worker');
  const { promotion, releaseDigest } = await createScene(database, 'acme');
  const { promotionId } = promotion;
  const commandDigest = digestOfBytes('command');
  const workflowId = `promotion/acme/${promotionId}`;
  await withTenant(worker, 'acme', async (tx) => {
    await takeLease(tx, { resource: 'environment:dev', holder: 'promotion:a' });
    await takeLease(tx, { resource: 'environment:dev', holder: 'promotion:b' });
    await insertEffect(tx, { idempotencyKey: 'k', promotionId, stepId: 'scan', result: 1 });
    await insertEvidence(tx, { digest: digestOfBytes('e'), mediaType: 'a/b', size: 1 });
    await insertStatement(tx, { statementDigest: 's', promotionId, predicateType: 'p', envelope });
    const planDigest = await insertPlan(tx, composePlan(target, null, null));
    await upsertDeployment(tx, { promotionId, target, planDigest });
    const planSet = composePlanSet(promotionId, releaseDigest, [{ target, plan: planDigest }]);
    await insertApprovalRequest(tx, {
      promotionId,
      stepId: 'approval',
      round: 1,
      releaseDigest,
      planDigest: await insertPlanSet(tx, { promotionId, round: 1, planSet }),
      rule: { count: 1, roles: ['admin'], deadlineSeconds: 60 },
      requesterPersonId: 'release-manager',
      deadline: '2030-01-01T00:00:00Z',
    });
    await setCurrentRelease(tx, { target, promotionId, side: null });
    const decision = {
      decision: 'allow' as const,
      reasonCodes: [],
      policyDigest: 'p',
      inputDigest: 'i',
      determinismHash: 'd',
      evaluatedAt: '2026-01-01T00:00:00Z',
      trace: [],
    };
    await insertDecision(tx, { promotionId, stepId: 'gate', decision });
    await insertCommand(tx, {
      target,
      sequence: await nextCommandSequence(tx, target),
      commandDigest,
      kind: 'deploy',
      promotionId,
      releaseDigest,
      idempotencyKey: 'k',
      envelope,
      payload: '{}',
      fencingToken: 1,
      expiresAt: '2030-01-01T00:00:00Z',
      workflowId: 'w',
      runId: 'r',
      activityId: 'a',
    });
  });
  await withTenant(app, 'acme', async (tx) => {
    const body = { requestId: 'r', body: {}, requestedBy: 'alice', traceId: null };
    await insertReleaseRequest(tx, body);
    await insertApproval(tx, {
      approvalId: 'approver/k',
      promotionId,
      principalId: 'approver',
      personId: 'approver',
      kind: 'person',
      role: 'approver',
      decision: 'approve',
      comment: '',
      releaseDigest,
      planDigest: digestOfBytes('plan set'),
    });
    const key = { principalId: 'alice', operation: 'o', key: 'k', payloadDigest: 'd' };
    await answerOnce(tx, key, async () => 1);
    const start = {
      workflowId,
      workflowType: 't',
      taskQueue: 'q',
      input: 1,
      searchAttributes: { tenant: 'acme' },
    };
    await enqueueOutbox(tx, { kind: 'start-workflow', body: start });
    const signal = { workflowId: 'w', signal: 's', input: 1 };
    await enqueueOutbox(tx, { kind: 'signal-workflow', body: signal });
    const keyId = digestOfBytes('agent');
    await enrolAgent(tx, { target, keyId, publicKey: 'pem', version: '1' });
    await consumeEnrolmentToken(tx, { tokenId: 't', target });
    await rememberNonce(tx, { keyId, nonce: 'n' });
    await insertReport(tx, {
      envelope,
      body: {
        schema: 'sluice.report/v1',
        tenantId: 'acme',
        target,
        agentKeyId: keyId,
        commandDigest,
        sequence: 1,
        stage: 'accepted',
        at: '2026-01-01T00:00:00Z',
        failure: null,
        activeRelease: null,
      },
    });
  });
  await withTenant(worker, 'acme', async (tx) => {
    const digest = digestOfBytes('history');
    await insertHistory(tx, {
      workflowId,
      runId: 'r',
      workflowType: 't',
      status: 'completed',
      eventCount: 1,
      startedAt: '2026-01-01T00:00:00Z',
      closedAt: '2026-01-01T00:00:00Z',
      buildIds: [],
      bundleDigests: [],
      historyDigest: digest,
      archiveDigest: digest,
      archiveSize: 1,
      packetDigest: null,
      statementDigest: digest,
      envelope,
    });
    await upsertProblem(tx, workflowId, {
      code: 'no-worker',
      message: 'm',
      cause: null,
      attempt: 1,
      event: null,
      activity: null,
      buildId: null,
    });
    await replaceDiscrepancies(tx, [
      { code: 'workflow-stuck', subject: 's', message: 'm', detail: {} },
    ]);
    await noteReconciliation(tx);
  });
  await withTenant(worker, 'acme', async (tx) => {
    const template = {
      schema: 'sluice.pipeline/v2' as const,
      name: 'p',
      version: 1,
      parameters: {},
      steps: [],
      failFast: true,
    };
    await insertResolvedPipeline(tx, { digest: digestOfBytes('resolved'), body: template });
    const set = { promotionId, stepId: 'scan', round: 1 };
    await insertMembers(tx, set, [{ key: '0', target: null, value: 1 }]);
    const key = { ...set, memberKey: '', stream: 'run' as const };
    const attempt = await openStepLog(tx, key);
    await appendLogChunks(tx, { ...key, attempt }, [{ seq: 1, byteOffset: 0, text: 'a' }]);
  });
  await fillRollouts(promotionId);
  await linkEvents(database.poolOf('sluice_linker'));
}

/** Of rollouts, as plain as their tables take it. */
async function fillRollouts(promotionId: string): Promise<void> {
  const step = `'acme', '${promotionId}', 'scan'`;
  const host = `'acme', (select min(target_id) from sluice.targets where tenant_id = 'acme')`;
  const digest = `'${digestOfBytes('route')}'`;
  const rows: readonly (readonly [string, string])[] = [
    [
      'rollouts (tenant_id, promotion_id, step_id, round, strategy, layout, inputs)',
      `${step}, 1, 'canary', '{}', '{}'`,
    ],
    [
      'rollout_steers (tenant_id, promotion_id, step_id, steer_id, action, principal_id, person_id, comment)',
      `${step}, 's', 'pause', 'mia', 'mia', ''`,
    ],
    [
      'analyses (tenant_id, promotion_id, step_id, round, stage, outcome, started_at, ended_at)',
      `${step}, 1, 0, 'pass', now(), now()`,
    ],
    [
      'route_changes (tenant_id, promotion_id, step_id, round, target_id, command_digest, canary_permille, route_table)',
      `${step}, 1, ${host.slice("'acme', ".length)}, ${digest}, 0, '{}'`,
    ],
    [
      'routes (tenant_id, target_id, route_table, table_digest, promotion_id, command_digest)',
      `${host}, '{}', ${digest}, '${promotionId}', ${digest}`,
    ],
    [
      'probe_samples (tenant_id, target_id, sampled_at, seconds, requests, errors)',
      `${host}, now(), 5, 1, 0`,
    ],
    [
      'disruption_budgets (tenant_id, budget_id, selector, max_unavailable)',
      `'acme', 'web', '{}', 1`,
    ],
    [
      'budget_claims (tenant_id, target_id, budget_id, promotion_id)',
      `${host}, 'web', '${promotionId}'`,
    ],
    [
      'release_watches (tenant_id, promotion_id, rules, until)',
      `'acme', '${promotionId}', '{}', now()`,
    ],
  ];
  for (const [table, values] of rows) {
    await database.query(`insert into sluice.${table} values (${values})`);
  }
}

beforeAll(async () => {
  database = await createTestDatabase();
  await fillEveryTable();
  await createScene(database, 'other');
  const rows = await database.query<{ name: string }>(
    `select relname as name from pg_class
      where relnamespace = 'sluice'::regnamespace and relkind = 'r' order by 1`,
  );
  tables = rows.map(({ name }) => name).filter((name) => !(name in TABLES_WITHOUT_TENANT));
});

afterAll(() => database.drop());

const countIn = async (pool: Pool, tenantId: string, table: string): Promise<number | 'denied'> => {
  try {
    return await withTenant(pool, tenantId, async (tx) => {
      const sql = `select count(*) as n from sluice.${table} where tenant_id = 'acme'`;
      return (await tx.query<{ n: number }>(sql)).rows[0]?.n ?? 0;
    });
  } catch (error) {
    if ((error as { code?: string }).code === '42501') return 'denied';
    throw error;
  }
};

test('the walk has rows of acme in every table to look for', async () => {
  for (const table of tables) {
    const [row] = await database.query<{ n: number }>(
      `select count(*) as n from sluice.${table} where tenant_id = 'acme'`,
    );
    expect({ table, rows: row?.n }).toEqual({ table, rows: expect.any(Number) });
    expect({ table, empty: row?.n === 0 }).toEqual({ table, empty: false });
  }
});

describe.each(RUNTIME_ROLES)('%s', (role) => {
  test('sees its own tenant, and nothing of acme from another tenant or from none', async () => {
    const pool = database.poolOf(role);
    let seen = 0;
    for (const table of tables) {
      const own = await countIn(pool, 'acme', table);
      if (own === 'denied') continue;
      seen += own;
      const across = ACROSS_TENANTS[role]?.includes(table) === true;
      if (across) continue;
      expect({ table, seen: await countIn(pool, 'other', table) }).toEqual({ table, seen: 0 });
      const bare = await pool.query<{ n: number }>(`select count(*) as n from sluice.${table}`);
      expect({ table, seen: bare.rows[0]?.n }).toEqual({ table, seen: 0 });
    }
    expect(seen).toBeGreaterThan(0);
  });

  test('cannot make, change or remove a row of another tenant', async () => {
    const pool = database.poolOf(role);
    for (const table of tables) {
      const moved = withTenant(pool, 'other', async (tx) => {
        const { rowCount } = await tx.query(
          `update sluice.${table} set tenant_id = 'acme' where tenant_id = 'other'`,
        );
        if (rowCount > 0) throw new Error(`${rowCount} rows of ${table} changed their tenant`);
      });
      await expect(moved).rejects.toMatchObject({ code: '42501' });
      const removed = withTenant(pool, 'other', (tx) =>
        tx.query(`delete from sluice.${table} where tenant_id = 'acme'`),
      );
      const outcome = await removed.then(
        ({ rowCount }) => rowCount,
        (error: { code?: string }) => error.code,
      );
      expect({ table, outcome: outcome === 0 || outcome === '42501' }).toEqual({
        table,
        outcome: true,
      });
    }
  });

  test('cannot switch row-level security off, become another role or make things', async () => {
    const pool = database.poolOf(role);
    for (const sql of [
      'alter table sluice.plans disable row level security',
      'set role sluice_owner',
      'create table sluice.mine (id int)',
      'create table public.mine (id int)',
      'create temporary table mine (id int)',
      'select * from sluice.schema_migrations',
      'truncate sluice.plans',
    ]) {
      await expect(pool.query(sql)).rejects.toMatchObject({ code: '42501' });
    }
    await expect(
      pool.query(`begin; set local row_security = off; select * from sluice.tenants`),
    ).rejects.toMatchObject({ code: '42501' });
  });
});

test('an insert for another tenant is refused', async () => {
  const app = database.poolOf('sluice_app');
  const foreign = withTenant(app, 'other', (tx) =>
    tx.query(
      `insert into sluice.outbox (tenant_id, kind, body) values ('acme', 'start-workflow', '{}')`,
    ),
  );
  await expect(foreign).rejects.toMatchObject({ code: '42501' });
});

test('only the API may look a token or an agent key up', async () => {
  for (const role of RUNTIME_ROLES) {
    const pool = database.poolOf(role);
    for (const name of ['find_principal', 'find_agent']) {
      const lookup = pool.query(`select * from sluice.${name}('x')`);
      if (role === 'sluice_app') expect((await lookup).rows).toEqual([]);
      else await expect(lookup).rejects.toMatchObject({ code: '42501' });
    }
  }
});
