import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { composePlan, composePlanSet, type PlanSide, STANDARD_PIPELINE } from '@sluice/domain';
import type { Logger } from '@sluice/observability';
import {
  insertPlan,
  insertPlanSet,
  insertPromotion,
  insertRelease,
  type Pool,
  setStepState,
  type Tx,
  upsertDeployment,
  withTenant,
} from '@sluice/persistence';
import {
  createScene,
  createTestDatabase,
  sceneRelease,
  type TestDatabase,
} from '@sluice/persistence/testing';
import { canonicalJson, digestOfBytes } from '@sluice/pure';
import type { GraphqlContext } from '../common/graphql-context.ts';
import { createLoaders } from '../common/loaders.ts';
import type { GraphqlParts } from '../common/tokens.ts';
import { DifferenceResolver } from './difference.resolver.ts';
import { type DifferenceView, loadDifference } from './load-difference.ts';
import { listScansOfReleases } from './scan-list.read-model.ts';
import { PlanSideResolver, TargetPlanResolver } from './target-plan.resolver.ts';

let database: TestDatabase;
let worker: Pool;
let app: Pool;
const releases: Record<string, string> = {};
const documents = new Map<string, Uint8Array>();
const warned: unknown[] = [];
const asWorker = <T>(work: (tx: Tx) => Promise<T>) => withTenant(worker, 'acme', work);

beforeAll(async () => {
  database = await createTestDatabase();
  await createScene(database);
  worker = database.poolOf('sluice_worker');
  app = database.poolOf('sluice_app');
  for (const version of ['1.0.0', '1.2.0', '9.0.0']) {
    const stored = await asWorker((tx) =>
      insertRelease(tx, { release: sceneRelease(version), createdBy: 'release-manager' }),
    );
    if (!stored.ok) throw new Error(stored.refusal.message);
    releases[version] = stored.value.releaseDigest;
  }
});
afterAll(() => database.drop());
beforeEach(() => {
  warned.splice(0);
});

/** A request of its own, with the number of reads that it made. */
function request(): { context: GraphqlContext; reads: () => number } {
  let reads = 0;
  const inTenant: GraphqlContext['inTenant'] = (work) => {
    reads += 1;
    return withTenant(app, 'acme', work);
  };
  const log = { warn: (fields: unknown) => warned.push(fields) } as unknown as Logger;
  const context = { inTenant, log, loaders: createLoaders(inTenant) } as GraphqlContext;
  return { context, reads: () => reads };
}

const resolver = () =>
  new DifferenceResolver({
    evidence: {
      getBytes: async (digest: string) => {
        const bytes = documents.get(digest);
        if (bytes === undefined) throw new Error('evidence-not-found');
        return bytes;
      },
    },
  } as unknown as GraphqlParts);

function side(version: string, settings: PlanSide['settings'] = {}): PlanSide {
  const { components } = sceneRelease(version);
  return { release: releases[version] ?? '', components, settings };
}

async function promote(version: string, kind: 'promote' | 'rollback' = 'promote'): Promise<string> {
  const { promotionId } = await withTenant(app, 'acme', (tx) =>
    insertPromotion(tx, {
      environment: 'dev',
      releaseDigest: releases[version] ?? '',
      kind,
      requestedBy: 'release-manager',
      requestedPerson: 'release-manager',
      rollback: kind === 'rollback' ? { to: 'nothing', reason: 'it broke' } : undefined,
      traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
      steps: STANDARD_PIPELINE.steps,
    }),
  );
  return promotionId;
}

function put(document: unknown): string {
  const text = canonicalJson(document);
  documents.set(digestOfBytes(text), new TextEncoder().encode(text));
  return digestOfBytes(text);
}

async function scan(promotionId: string, packages: string[], rules: string[]): Promise<void> {
  const outputs = {
    sbom: put({
      bomFormat: 'CycloneDX',
      components: packages.map((name) => ({ type: 'library', name, version: '1' })),
    }),
    findings: put({
      schema: 'sluice.findings/v1',
      secrets: rules.map((rule) => ({
        component: 'web',
        rule,
        title: rule,
        severity: 'HIGH',
        path: '/x',
        startLine: 1,
      })),
      misconfigurations: [],
    }),
  };
  await asWorker(async (tx) => {
    await setStepState(tx, { promotionId, stepId: 'scan', state: 'running' });
    await setStepState(tx, { promotionId, stepId: 'scan', state: 'succeeded', outputs });
  });
}

async function plan(
  promotionId: string,
  version: string,
  current: PlanSide | null,
  desired: PlanSide | null,
  round = 1,
): Promise<string> {
  return asWorker(async (tx) => {
    const digest = await insertPlan(tx, composePlan('dev-host-1', current, desired));
    const planSet = composePlanSet(promotionId, releases[version] ?? '', [
      { target: 'dev-host-1', plan: digest },
    ]);
    return insertPlanSet(tx, { promotionId, round, planSet });
  });
}

async function show(promotionId: string, planSet?: string): Promise<DifferenceView> {
  const view = await loadDifference(request().context, promotionId, planSet);
  if (view === null) throw new Error('there is no difference');
  return view;
}

test('there is no difference before there is a plan; the newest round is shown, or the one named', async () => {
  const id = await promote('1.2.0');
  expect(await loadDifference(request().context, id)).toBeNull();
  const first = await plan(id, '1.2.0', null, side('1.2.0'));
  await plan(id, '1.2.0', side('1.0.0'), side('1.2.0', { PORT: '1' }), 2);
  expect((await show(id)).current?.release).toBe(releases['1.0.0']);
  expect((await show(id, first)).current).toBeNull();
  await expect(show(id, digestOfBytes('other'))).rejects.toThrow('is not there');
});

test('a promotion without plan sets shows the plans of its deployments', async () => {
  const id = await promote('1.2.0');
  await asWorker(async (tx) => {
    const planDigest = await insertPlan(tx, composePlan('dev-host-1', null, side('1.2.0')));
    await upsertDeployment(tx, { promotionId: id, target: 'dev-host-1', planDigest });
  });
  expect((await show(id)).targets).toMatchObject([{ target: 'dev-host-1' }]);
});

test('components, packages and findings are compared with the newest scan of what runs there', async () => {
  await scan(await promote('1.0.0'), ['stale'], []);
  await scan(await promote('1.0.0'), ['kept', 'gone'], ['solved', 'stays']);
  const id = await promote('1.2.0');
  await scan(id, ['kept', 'fresh'], ['stays', 'private-key']);
  await plan(id, '1.2.0', side('1.0.0'), side('1.2.0'));
  // A later scan of the same release by another promotion does not count here.
  await scan(await promote('1.2.0'), ['other'], []);
  const view = await show(id);
  const { context } = request();
  const differences = resolver();
  expect(await differences.packages(view, context)).toMatchObject({
    changes: [
      { name: 'fresh', change: 'added', to: '1' },
      { name: 'gone', change: 'removed', from: '1' },
    ],
    unchanged: 1,
  });
  expect(await differences.findings(view, context)).toMatchObject({
    new: [{ rule: 'private-key', place: 'web:/x:1' }],
    resolved: [{ rule: 'solved' }],
    unchanged: 1,
  });
  expect(differences.components(view)).toMatchObject([
    { name: 'web', change: 'CHANGED', from: { kind: 'OCI', version: '1.0.0' } },
  ]);
  expect(await differences.current(view, context)).toMatchObject({ version: '1.0.0' });
  expect(await differences.desired(view, context)).toMatchObject({ version: '1.2.0' });
});

test('an empty target adds everything, an emptied one removes everything', async () => {
  const differences = resolver();
  const { context } = request();
  const first = await promote('1.2.0');
  await scan(first, ['a', 'b'], ['r']);
  await plan(first, '1.2.0', null, side('1.2.0'));
  const filled = await show(first);
  expect(await differences.packages(filled, context)).toMatchObject({ added: 2, removed: 0 });
  expect(await differences.current(filled, context)).toBeNull();
  const last = await promote('1.2.0', 'rollback');
  await plan(last, '1.2.0', side('1.2.0'), null);
  const emptied = await show(last);
  expect(await differences.packages(emptied, context)).toMatchObject({ added: 0, removed: 2 });
  expect(await differences.findings(emptied, context)).toMatchObject({ resolvedCount: 1 });
  expect(await differences.desired(emptied, context)).toBeNull();
  expect(differences.components(emptied)).toMatchObject([{ change: 'REMOVED', to: null }]);
});

test('a rollback, which scans nothing, compares with an earlier scan; never scanned is null', async () => {
  const differences = resolver();
  const { context } = request();
  await scan(await promote('1.0.0'), ['a'], []);
  await scan(await promote('1.2.0'), ['a', 'b'], []);
  const back = await promote('1.0.0', 'rollback');
  await plan(back, '1.0.0', side('1.2.0'), side('1.0.0'));
  expect(await differences.packages(await show(back), context)).toMatchObject({ removed: 1 });
  const unknown = await promote('1.2.0');
  await plan(unknown, '1.2.0', side('9.0.0'), side('1.2.0'));
  expect(await differences.packages(await show(unknown), context)).toBeNull();
  expect(await differences.findings(await show(unknown), context)).toBeNull();
  expect(warned).toEqual([]);
});

test('a document that is gone gives null for that part alone, and is logged', async () => {
  const id = await promote('1.2.0');
  await scan(id, ['only-here'], ['only-here']);
  const [{ outputs } = { outputs: {} as Record<string, string> }] = (
    await request().context.loaders.stepsOf(id)
  ).filter(({ stepId }) => stepId === 'scan');
  await plan(id, '1.2.0', null, side('1.2.0'));
  documents.delete(outputs['sbom'] ?? '');
  const { context } = request();
  const differences = resolver();
  const view = await show(id);
  expect(await differences.packages(view, context)).toBeNull();
  expect(await differences.findings(view, context)).toMatchObject({ newCount: 1 });
  expect(warned).toMatchObject([{ digest: outputs['sbom'] }]);
});

test("each target's plan shows its sides and its settings, a secret as its reference", async () => {
  const id = await promote('1.2.0');
  await plan(
    id,
    '1.2.0',
    side('1.0.0', { PORT: '1', OLD: 'x' }),
    side('1.2.0', { PORT: '1', KEY: { secret: 'k' } }),
  );
  const [shown] = resolver().targets(await show(id));
  if (shown === undefined) throw new Error('no target');
  expect(shown).toMatchObject({
    change: 'CHANGED',
    settings: [
      { name: 'KEY', change: 'ADDED', from: null, to: { secret: 'k' } },
      { name: 'OLD', change: 'REMOVED', from: 'x', to: null },
      { name: 'PORT', change: 'UNCHANGED' },
    ],
  });
  const { context } = request();
  expect(await new TargetPlanResolver().target(shown, context)).toMatchObject({
    name: 'dev-host-1',
    environmentName: 'dev',
  });
  const sides = new PlanSideResolver();
  const current = shown.current ?? { release: '' };
  expect([await sides.name(current, context), await sides.version(current, context)]).toEqual([
    'sample',
    '1.0.0',
  ]);
  expect(await sides.name({ release: digestOfBytes('unknown') }, context)).toBeNull();
});

test('ten differences are read with as many statements as one', async () => {
  const ids: string[] = [];
  for (let at = 0; at < 10; at += 1) {
    const id = await promote('1.2.0');
    await plan(id, '1.2.0', side('1.0.0', { AT: String(at) }), side('1.2.0'));
    ids.push(id);
  }
  const readAll = async (promotions: readonly string[]) => {
    const { context, reads } = request();
    const differences = resolver();
    await Promise.all(
      promotions.map(async (id) => {
        const view = await loadDifference(context, id);
        if (view === null) throw new Error('there is no difference');
        const sides = new PlanSideResolver();
        await Promise.all([
          differences.current(view, context),
          differences.packages(view, context),
          differences.findings(view, context),
          ...differences
            .targets(view)
            .flatMap((target) => [
              new TargetPlanResolver().target(target, context),
              sides.name(target.current ?? { release: '' }, context),
            ]),
        ]);
      }),
    );
    return reads();
  };
  expect(await readAll(ids)).toBe(await readAll(ids.slice(0, 1)));
  expect(await readAll(ids)).toBeLessThanOrEqual(7);
});

test('the newest scans are found by indexes alone, and only those of the tenant', async () => {
  const digests = Object.values(releases);
  await withTenant(app, 'acme', async (tx) => {
    const found = await listScansOfReleases(tx, digests);
    expect(found.map(({ releaseDigest }) => releaseDigest).sort()).toEqual(
      [releases['1.0.0'], releases['1.2.0']].sort(),
    );
    await tx.query('set local enable_seqscan = off; set local enable_sort = off');
    const watching: Tx = {
      tenantId: tx.tenantId,
      query: ((sql: string, values: readonly unknown[]) =>
        tx.query(`explain ${sql}`, values)) as Tx['query'],
    };
    const lines = JSON.stringify(await listScansOfReleases(watching, digests));
    expect(lines).toContain('promotions_by_release');
    expect(lines).not.toMatch(/Seq Scan|Sort/);
  });
  await database.addTenant('other');
  expect(await withTenant(app, 'other', (tx) => listScansOfReleases(tx, digests))).toEqual([]);
});
