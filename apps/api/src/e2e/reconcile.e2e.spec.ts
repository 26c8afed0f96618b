import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { noteReconciliation, noteRepair, withTenant } from '@sluice/persistence';
import { addDiscrepancy } from '../testing/history-scene.ts';
import {
  type Json,
  OTHER_TENANT,
  startTestApi,
  TENANT,
  type TestApi,
  tokenOf,
} from '../testing/test-api.ts';

let api: TestApi;

beforeAll(async () => {
  api = await startTestApi();
}, 60_000);

afterAll(async () => {
  await api?.stop();
});

const FIELDS = `lookedAt discrepancies {
  id code subject message action repairable remedy detail repairRequestedAt repairError }`;

async function look(token = tokenOf('admin')): Promise<Json> {
  const { data, errors } = await api.ask(`{ reconciliation { ${FIELDS} } }`, {}, token);
  expect(errors).toEqual([]);
  return data?.reconciliation;
}

async function reconcile(discrepancies: readonly string[], idempotencyKey: string): Promise<Json> {
  const query = `mutation ($input: ReconcileInput!) { reconcile(input: $input) {
    __typename ... on Reconciliation { ${FIELDS} } ... on Refusal { code message } } }`;
  const answer = await api.ask(query, { input: { discrepancies, idempotencyKey } });
  expect(answer.errors).toEqual([]);
  return answer.data?.reconcile;
}

const requests = (): Promise<readonly Json[]> =>
  api.database.query(
    `select actor, subject, data from sluice.events where type = 'discrepancy.repair-requested' order by arrival`,
  );

test('shows what disagrees, and asks for repairs: all of those named, or none', async () => {
  expect(await look()).toEqual({ lookedAt: null, discrepancies: [] });
  const running = await addDiscrepancy(api, 'workflow-outlives-promotion', 'promotion:dev/1');
  const missing = await addDiscrepancy(api, 'history-missing', 'workflow:promotion/acme/dev/2');
  const lost = await addDiscrepancy(api, 'history-lost', 'workflow:promotion/acme/dev/3');
  await withTenant(api.workerPool, TENANT, noteReconciliation);
  const shown = await look();
  expect(shown.lookedAt).toEqual(expect.any(String));
  expect(shown.discrepancies).toMatchObject([
    { id: running, code: 'workflow-outlives-promotion', action: 'RAISE', repairable: true },
    { id: missing, subject: 'workflow:promotion/acme/dev/2', repairable: true },
    { id: lost, repairable: false, repairRequestedAt: null, detail: {} },
  ]);
  // One that can't be repaired, and one that is not there, keep the others from being asked for.
  expect(await reconcile([running, lost], 'with a lost one')).toMatchObject({
    __typename: 'StateConflict',
    code: 'not-repairable',
  });
  expect(await reconcile([running, 'history-missing:none'], 'with none')).toMatchObject({
    __typename: 'NotFound',
    code: 'discrepancy-unknown',
  });
  expect(await requests()).toEqual([]);

  const asked = await reconcile([running, missing], 'both');
  expect(asked).toMatchObject({
    __typename: 'Reconciliation',
    discrepancies: [
      { id: running, repairRequestedAt: expect.any(String) },
      { id: missing, repairRequestedAt: expect.any(String) },
      { id: lost, repairRequestedAt: null },
    ],
  });
  const events = [
    {
      actor: 'principal:admin',
      subject: 'promotion:dev/1',
      data: { code: 'workflow-outlives-promotion' },
    },
    {
      actor: 'principal:admin',
      subject: 'workflow:promotion/acme/dev/2',
      data: { code: 'history-missing' },
    },
  ];
  expect(await requests()).toEqual(events);
  // The same key, and another one while it is asked for, ask for nothing more.
  expect(await reconcile([running, missing], 'both')).toEqual(asked);
  expect(await reconcile([running], 'again')).toMatchObject({ __typename: 'Reconciliation' });
  expect(await requests()).toEqual(events);

  await withTenant(api.workerPool, TENANT, (tx) => noteRepair(tx, running, 'the engine is away'));
  expect((await look()).discrepancies[0]).toMatchObject({
    repairError: 'the engine is away',
    repairRequestedAt: null,
  });
  expect((await reconcile([running], 'once more')).discrepancies[0].repairError).toBeNull();
  expect(await requests()).toHaveLength(3);
});

test('is for those who look after the estate, each tenant for itself', async () => {
  for (const principal of ['viewer', 'approver', 'release-manager']) {
    const answer = await api.ask('{ reconciliation { lookedAt } }', {}, tokenOf(principal));
    expect(answer.errors[0]?.extensions.code).toBe('FORBIDDEN');
    expect(answer.errors[0]?.message).toContain('estate.reconcile');
  }
  expect(await look(tokenOf('admin', OTHER_TENANT))).toEqual({ lookedAt: null, discrepancies: [] });
});
