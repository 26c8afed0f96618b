import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { encodeCursor } from './cursor.ts';
import * as records from './index.ts';
import type { Queryable } from './pool.ts';
import { createScene, createTestDatabase, type TestDatabase } from './testing/index.ts';
import { type Tx, withTenant } from './transaction.ts';

let database: TestDatabase;
const at = '2026-01-01T00:00:00Z';
const byTime = encodeCursor([at, 'x']);
const byNumber = encodeCursor([5]);
const byOpening = encodeCursor([at, 'x', 'approval']);
const byName = encodeCursor(['p']);
const byLog = encodeCursor(['s', 1, '', 'run', 1]);
const step = { promotionId: 'dev/1', stepId: 's', round: 1 };
const log = { ...step, memberKey: '', stream: 'run' as const, attempt: 1 };
const voter = {
  principalId: 'approver',
  personId: 'approver',
  kind: 'person' as const,
  role: 'approver' as const,
};

beforeAll(async () => {
  database = await createTestDatabase();
  await createScene(database);
});

afterAll(() => database.drop());

interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly Plans?: readonly PlanNode[];
}

/** Runs a list and gives the nodes of each of its statements' plans, with whole-table scans forbidden. */
async function plansOf(list: (tx: Tx) => Promise<unknown>): Promise<readonly PlanNode[]> {
  const asked: { sql: string; values: readonly unknown[] | undefined }[] = [];
  const app = database.poolOf('sluice_app');
  return withTenant(app, 'acme', async (tx) => {
    const watching: Tx = {
      tenantId: tx.tenantId,
      query: ((sql, values) => {
        asked.push({ sql, values });
        return tx.query(sql, values);
      }) as Queryable['query'],
    };
    await list(watching);
    await tx.query(
      'set local enable_seqscan = off; set local enable_bitmapscan = off; set local enable_sort = off; set local enable_incremental_sort = off',
    );
    const nodes: PlanNode[] = [];
    for (const { sql, values } of asked) {
      const answer = await tx.query<{ 'QUERY PLAN': [{ Plan: PlanNode }] }>(
        `explain (format json) ${sql}`,
        values,
      );
      const plan = answer.rows[0]?.['QUERY PLAN'][0].Plan;
      if (plan !== undefined) nodes.push(...flatten(plan));
    }
    return nodes;
  });
}

function flatten(node: PlanNode): PlanNode[] {
  return [node, ...(node.Plans ?? []).flatMap(flatten)];
}

test.each<[string, (tx: Tx) => Promise<unknown>]>([
  ['listPromotions', (tx) => records.listPromotions(tx, { first: 5, after: byTime })],
  ['listReleases', (tx) => records.listReleases(tx, { first: 5, after: byTime })],
  [
    'listReleases by name',
    (tx) => records.listReleases(tx, { first: 5, after: byTime, name: 'sample' }),
  ],
  ['listCommandsAfter', (tx) => records.listCommandsAfter(tx, { target: 't', after: 0 })],
  ['listLinkedEvents', (tx) => records.listLinkedEvents(tx, { after: 0 })],
  [
    'listLinkedEvents of a promotion',
    (tx) => records.listLinkedEvents(tx, { after: 0, promotionId: 'dev/1' }),
  ],
  [
    'listWaitingApprovals',
    (tx) => records.listWaitingApprovals(tx, { first: 5, after: byOpening }),
  ],
  ['listUnready', (tx) => records.listUnready(tx, 'r')],
  [
    'listPipelineVersions',
    (tx) => records.listPipelineVersions(tx, { name: 'p', first: 5, after: byNumber }),
  ],
  ['listMembers', (tx) => records.listMembers(tx, { ...step, first: 5, after: byNumber })],
  ['listMemberKeys', (tx) => records.listMemberKeys(tx, step, { from: 0, to: 200 })],
  [
    'listStepLogs',
    (tx) => records.listStepLogs(tx, { promotionId: 'dev/1', first: 5, after: byLog }),
  ],
  ['listStepLogs of a step', (tx) => records.listStepLogs(tx, { ...step, first: 5, after: byLog })],
  ['listLogChunksAfter', (tx) => records.listLogChunksAfter(tx, log, { afterOffset: 1, limit: 5 })],
])('%s reads its page from an index, in its order', async (_name, list) => {
  const nodes = await plansOf(list);
  const kinds = nodes.map((node) => node['Node Type']);
  expect(kinds.filter((kind) => /Sort|Seq Scan/.test(kind))).toEqual([]);
  expect(kinds.some((kind) => /Index/.test(kind))).toBe(true);
});

test.each<[string, (tx: Tx) => Promise<unknown>]>([
  ['listEvents', (tx) => records.listEvents(tx, { first: 5, after: byNumber })],
  [
    'listEvents of a promotion',
    (tx) => records.listEvents(tx, { first: 5, after: byNumber, promotionId: 'dev/1' }),
  ],
  [
    'listEventsOf',
    (tx) => records.listEventsOf(tx, [{ promotionId: 'dev/1', after: byNumber }], 5),
  ],
  [
    'listPromotionsOfEnvironments',
    (tx) => records.listPromotionsOfEnvironments(tx, [{ environment: 'dev', after: byNumber }], 5),
  ],
  [
    'listPromotionsOfReleases',
    (tx) => records.listPromotionsOfReleases(tx, [{ releaseDigest: 'x', after: byTime }], 5),
  ],
  [
    'listWaitingApprovals of a voter',
    (tx) => records.listWaitingApprovals(tx, { first: 5, voter }),
  ],
  ['listApprovalRequestsOf', (tx) => records.listApprovalRequestsOf(tx, ['dev/1'])],
  ['listApprovalsOf', (tx) => records.listApprovalsOf(tx, ['dev/1'])],
  ['listPlanSetsOf', (tx) => records.listPlanSetsOf(tx, ['dev/1'])],
  ['listPlansByDigest', (tx) => records.listPlansByDigest(tx, ['x'])],
  [
    'listVerifiedReleases',
    (tx) => records.listVerifiedReleases(tx, { environment: 'dev', limit: 5 }),
  ],
  ['listPipelineVersionsOf', (tx) => records.listPipelineVersionsOf(tx, ['p'])],
  ['listEnvironmentsOfPipelines', (tx) => records.listEnvironmentsOfPipelines(tx, ['p'])],
  ['listResolvedPipelines', (tx) => records.listResolvedPipelines(tx, ['x'])],
  ['listMembersOf', (tx) => records.listMembersOf(tx, [{ ...step, after: byNumber }], 5)],
  ['listLogsOfStep', (tx) => records.listLogsOfStep(tx, { ...step, memberKey: '', limit: 5 })],
  [
    'listCommandsTo',
    (tx) => records.listCommandsTo(tx, { promotionId: 'dev/1', target: 'dev-host-1' }),
  ],
  [
    'listCommandKeys',
    (tx) => records.listCommandKeys(tx, { promotionId: 'dev/1', kind: 'deploy' }),
  ],
  ['listPipelines', (tx) => records.listPipelines(tx, { first: 5, after: byName })],
  [
    'listPipelinesByVersion',
    (tx) => records.listPipelinesByVersion(tx, [{ name: 'p', version: 1 }]),
  ],
  [
    'listMembers in some states',
    (tx) => records.listMembers(tx, { ...step, first: 5, states: ['failed', 'denied'] }),
  ],
  ['listMemberCounts', (tx) => records.listMemberCounts(tx, ['dev/1'])],
  ['listMembersOfKey', (tx) => records.listMembersOfKey(tx, 'dev/1', ['s'], '0')],
  ['listOpenStepLogs', (tx) => records.listOpenStepLogs(tx, step)],
  ['listStepsById', (tx) => records.listStepsById(tx, 'dev/1', ['s'])],
  ['listStepsOf', (tx) => records.listStepsOf(tx, ['dev/1'])],
  ['listDecisionsOf', (tx) => records.listDecisionsOf(tx, ['dev/1'])],
  ['listDeploymentsOf', (tx) => records.listDeploymentsOf(tx, ['dev/1'])],
  ['listStatementsOf', (tx) => records.listStatementsOf(tx, ['dev/1'])],
  ['listPromotionsById', (tx) => records.listPromotionsById(tx, ['dev/1'])],
  ['listReleasesByDigest', (tx) => records.listReleasesByDigest(tx, ['x'])],
  ['findReleaseByVersion', (tx) => records.findReleaseByVersion(tx, 'a', '1')],
  ['listAgents', (tx) => records.listAgents(tx, ['t'])],
  ['listCurrentReleases', (tx) => records.listCurrentReleases(tx, ['t'])],
  ['listLeases', (tx) => records.listLeases(tx, ['r'])],
  ['listLeaseQueues', (tx) => records.listLeaseQueues(tx, ['r'])],
  ['listTargets', (tx) => records.listTargets(tx)],
  ['listTargetsOf', (tx) => records.listTargetsOf(tx, ['dev'])],
  ['listTargetsByName', (tx) => records.listTargetsByName(tx, ['t'])],
  ['listEnvironments', (tx) => records.listEnvironments(tx)],
  ['listEnvironmentsByName', (tx) => records.listEnvironmentsByName(tx, ['dev'])],
  ['listCommands', (tx) => records.listCommands(tx, 'dev/1')],
  ['listCommandedReleases', (tx) => records.listCommandedReleases(tx, 't')],
  ['listReportsOf', (tx) => records.listReportsOf(tx, ['x'])],
  ['listReports', (tx) => records.listReports(tx, 'x')],
  ['listHistoriesOf', (tx) => records.listHistoriesOf(tx, ['dev/1'])],
  ['listHistoriesOfWorkflow', (tx) => records.listHistoriesOfWorkflow(tx, 'promotion/acme/dev/1')],
  ['listBundles', (tx) => records.listBundles(tx)],
  ['listKeptHistories', (tx) => records.listKeptHistories(tx, { limit: 5 })],
  ['listProblems', (tx) => records.listProblems(tx)],
  ['listProblemsOf', (tx) => records.listProblemsOf(tx, ['dev/1'])],
  ['listDiscrepancies', (tx) => records.listDiscrepancies(tx)],
  ['listRouters', (tx) => records.listRouters(tx)],
  ['listRoutersOf', (tx) => records.listRoutersOf(tx, ['dev'])],
  ['listRoutes', (tx) => records.listRoutes(tx, ['r'])],
  ['listRouteChangesOf', (tx) => records.listRouteChangesOf(tx, ['dev/1'])],
  ['listRouteChanges', (tx) => records.listRouteChanges(tx, 'dev/1')],
  ['listRouteCommands', (tx) => records.listRouteCommands(tx, { router: 'r', limit: 5 })],
  ['listRolloutsOf', (tx) => records.listRolloutsOf(tx, ['dev/1'])],
  ['listOpenRollouts', (tx) => records.listOpenRollouts(tx)],
  ['listRolloutSteersOf', (tx) => records.listRolloutSteersOf(tx, ['dev/1'])],
  ['listStageMembers', (tx) => records.listStageMembers(tx, [{ ...step, from: 0, to: 5 }])],
  ['countStageMembers', (tx) => records.countStageMembers(tx, [{ ...step, from: 0, to: 5 }])],
  ['listAnalysesOf', (tx) => records.listAnalysesOf(tx, ['dev/1'])],
  [
    'listNewestOutcomes',
    (tx) => records.listNewestOutcomes(tx, { promotionId: 'dev/1', targets: ['t'] }),
  ],
  ['listProbeSamples', (tx) => records.listProbeSamples(tx, ['t'], { from: at, to: at }, 5)],
  ['listBudgetUsage', (tx) => records.listBudgetUsage(tx)],
  ['listBudgetsOfTarget', (tx) => records.listBudgetsOfTarget(tx, 't', { locked: false })],
  ['listWatchesByPromotion', (tx) => records.listWatchesByPromotion(tx, ['dev/1'])],
  ['listWatches', (tx) => records.listWatches(tx)],
  ['listOpenWatches', (tx) => records.listOpenWatches(tx, { limit: 5 })],
  ['listWatchedTargets', (tx) => records.listWatchedTargets(tx, 'dev/1')],
])('%s needs no scan of a whole table', async (_name, list) => {
  const scans = (await plansOf(list)).filter((node) => node['Node Type'] === 'Seq Scan');
  expect(scans.map((node) => node['Relation Name'])).toEqual([]);
});

test('every exported list is looked at here, or is one of those for a single promotion', async () => {
  const source = await readFile(new URL(import.meta.url), 'utf8');
  const looked = new Set([...source.matchAll(/records\.(list\w+)/g)].map(([, name]) => name));
  // The first three call the list for many; effects, what has begun, and what steps and members gave, are the worker's, read by one
  // promotion; the next five are the watchdog's, asked a few times a minute, of what is open only; then all tenants, and what expires, once an hour.
  const single = new Set([
    'listSteps',
    'listDeployments',
    'listStatements',
    'listEffects',
    'listSettledSteps',
    'listBegunSteps',
    'listMemberOutputs',
    'listMemberStates',
    'listOpenPromotions',
    'listLeasesOfEnded',
    'listDueExecutions',
    'listOpenExecutions',
    'listPendingStarts',
    'listTenantIds',
    'listExpiredHistories',
    'listUnnamedArchives',
  ]);
  const lists = Object.keys(records).filter((name) => name.startsWith('list'));
  expect(lists.filter((name) => !looked.has(name) && !single.has(name))).toEqual([]);
});
