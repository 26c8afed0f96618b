import { APPROVED_PIPELINE, composePlan, composePlanSet, type PlanSide } from '@sluice/domain';
import {
  enterQueue,
  getRelease,
  insertApproval,
  insertApprovalRequest,
  insertDecision,
  insertEvent,
  insertPlan,
  insertPlanSet,
  insertStatement,
  recordApproval,
  setCurrentRelease,
  setPromotionState,
  setStepState,
  type Tx,
  takeLease,
  upsertDeployment,
  withTenant,
} from '@sluice/persistence';
import { digestOfBytes } from '@sluice/pure';
import { addBundle, addDiscrepancy, addRunsToAll } from './history-scene.ts';
import {
  addMembers,
  asTemplate,
  freezePipeline,
  logKey,
  publishSample,
  writeLog,
} from './pipeline-scene.ts';
import { addRouter, fillRollout } from './rollout-scene.ts';
import { addPromotion, addRelease, envelopeOf, testDecision } from './scene.ts';
import { PROD_RULE, TENANT, type TestApi } from './test-api.ts';
import { addWatchesToAll } from './watch-scene.ts';

/** So many releases, and so many environments; each release has one promotion in each environment. */
const SIDE = 10;

/**
 * Fills the records with SIDE × SIDE promotions and all that can hang on one, so that every list of the schema has
 * something in it, wherever it is come upon.
 */
export async function fillLists(api: TestApi): Promise<void> {
  await publishSample(api, 1);
  await publishSample(api, 2);
  for (let n = 0; n < SIDE; n += 1) await addPlace(api, n);
  const releases: string[] = [];
  for (let n = 0; n < SIDE; n += 1) releases.push(await addRelease(api, `1.0.${n}`));
  const scans = await Promise.all(releases.map((_release, n) => storeScan(api, n)));
  for (let round = 0; round < SIDE; round += 1) {
    // Each of a round goes to another place: nothing waits for anything.
    await Promise.all(
      releases.map((release, n) => {
        const before = releases[(n + 1) % SIDE] ?? release;
        const scan = scans[n] ?? { findings: '', sbom: '' };
        return addFull(api, { place: (n + round) % SIDE, release, before, scan });
      }),
    );
  }
  await addRunsToAll(api, {
    buildId: 'build-1',
    bundleDigest: await addBundle(api, 'build-1', 'code'),
  });
  await writeLog(api, logKey('place-0/1', 'scan'), ['it wrote this\n', 'it wrote that\n']);
  await writeLog(api, logKey('place-0/1', 'deploy', 'host-0-a'), ['it wrote more'], false);
  // Queues and targets of an environment that runs it hang beneath the list of pipelines.
  await api.database.query(
    "update sluice.environments set pipeline_id = 'sample' where environment_id = 'place-0'",
  );
  await addWatchesToAll(api);
  for (let n = 0; n < SIDE; n += 1) await addDiscrepancy(api, 'history-lost', `workflow:${n}`);
}

/** An environment after `dev`, with two targets and an agent on each. */
async function addPlace(api: TestApi, n: number): Promise<void> {
  await api.database.query(
    `insert into sluice.environments
       (tenant_id, environment_id, position, pipeline_id, policy_id, deadlines, predecessors, approval)
     values ($1, $2, $3, 'approved', 'release-gate', '{}', '{dev}', $4)`,
    [TENANT, `place-${n}`, 100 + n, JSON.stringify(PROD_RULE)],
  );
  for (const target of targetsOf(n)) {
    await api.database.query(
      `insert into sluice.targets (tenant_id, target_id, environment_id, kind, address, health)
       values ($1, $2, $3, 'linux-host', 'localhost', '{}')`,
      [TENANT, target, `place-${n}`],
    );
  }
  await addRouter(api, `proxy-${n}`, `place-${n}`);
}

function targetsOf(place: number): readonly [string, string] {
  return [`host-${place}-a`, `host-${place}-b`];
}

interface Scan {
  readonly findings: string;
  readonly sbom: string;
}

/** What a scan leaves; of each release another one, so that there is always a difference. */
async function storeScan(api: TestApi, n: number): Promise<Scan> {
  const finding = {
    component: 'web',
    rule: `rule-${n}`,
    severity: 'HIGH',
    path: 'etc/config',
    startLine: 1,
    title: 'Something is wrong',
  };
  const put = async (document: unknown): Promise<string> =>
    (await api.evidence.put(JSON.stringify(document), { maxBytes: 10_000 })).digest;
  return {
    findings: await put({
      schema: 'sluice.findings/v1',
      secrets: [finding],
      misconfigurations: [],
    }),
    sbom: await put({
      bomFormat: 'CycloneDX',
      components: [{ type: 'library', name: 'left-pad', version: `1.0.${n}` }],
    }),
  };
}

interface Full {
  readonly place: number;
  readonly release: string;
  /** What runs there before. */
  readonly before: string;
  readonly scan: Scan;
}

async function addFull(api: TestApi, full: Full): Promise<void> {
  const { place, release } = full;
  const environment = `place-${place}`;
  const promotionId = await addPromotion(api, release, TENANT, {
    environment,
    pipeline: APPROVED_PIPELINE,
  });
  const approvalId = `approver/${promotionId}`;
  const planDigest = await withTenant(api.workerPool, TENANT, (tx) =>
    writeFull(tx, promotionId, full),
  );
  await withTenant(api.appPool, TENANT, (tx) =>
    insertApproval(tx, {
      approvalId,
      promotionId,
      principalId: 'approver',
      personId: 'approver',
      kind: 'person',
      role: 'approver',
      decision: 'approve',
      comment: '',
      releaseDigest: release,
      planDigest,
    }),
  );
  await withTenant(api.workerPool, TENANT, async (tx) => {
    const statementDigest = digestOfBytes(`statement of ${approvalId}`);
    await recordApproval(tx, { approvalId, stepId: 'approval', round: 1, statementDigest });
    const claim = { resource: `environment:${environment}`, holder: `promotion:${promotionId}` };
    await enterQueue(tx, claim);
    if (promotionId.endsWith('/1')) await takeLease(tx, claim);
  });
  await fillRollout(api, promotionId, { router: `proxy-${place}` });
}

async function writeFull(
  tx: Tx,
  promotionId: string,
  { place, release, before, scan }: Full,
): Promise<string> {
  const sideOf = async (digest: string): Promise<PlanSide> => {
    const { components } = (await getRelease(tx, digest)).body;
    return { release: digest, components, settings: { RELEASE: digest } };
  };
  const desired = await sideOf(release);
  const current = await sideOf(before);
  await setPromotionState(tx, { promotionId, state: 'running' });
  for (const stepId of ['scan', 'gate', 'plan']) {
    const outputs = stepId === 'scan' ? { ...scan } : {};
    await setStepState(tx, { promotionId, stepId, state: 'running' });
    const values = { ...outputs, seconds: 3 };
    await setStepState(tx, { promotionId, stepId, state: 'succeeded', outputs, values });
  }
  await setStepState(tx, { promotionId, stepId: 'approval', state: 'waiting' });
  await freezePipeline(tx, promotionId, asTemplate(APPROVED_PIPELINE));
  await addMembers(tx, promotionId, 'deploy', ['one', 'two', 'three']);
  // Put back already: what was undone is a list too.
  for (const state of ['running', 'succeeded', 'reverted'] as const) {
    await setStepState(tx, { promotionId, stepId: 'deploy', state });
  }
  await insertDecision(tx, { promotionId, stepId: 'gate', decision: testDecision });
  const plans = [];
  for (const target of targetsOf(place)) {
    const plan = await insertPlan(tx, composePlan(target, current, desired));
    await upsertDeployment(tx, { promotionId, target, planDigest: plan });
    await setCurrentRelease(tx, { target, promotionId, side: desired });
    plans.push({ target, plan });
  }
  const planSet = composePlanSet(promotionId, release, plans);
  const planDigest = await insertPlanSet(tx, { promotionId, round: 1, planSet });
  await insertApprovalRequest(tx, {
    promotionId,
    stepId: 'approval',
    round: 1,
    releaseDigest: release,
    planDigest,
    rule: PROD_RULE,
    requesterPersonId: 'release-manager',
    deadline: new Date(Date.now() + 3_600_000).toISOString(),
  });
  await insertStatement(tx, {
    statementDigest: digestOfBytes(`statement of ${promotionId}`),
    promotionId,
    predicateType: 'urn:sluice:scan:v1',
    envelope: envelopeOf(promotionId),
  });
  for (const state of ['running', 'succeeded']) {
    await insertEvent(tx, {
      type: 'step.state-changed',
      actor: 'system:worker',
      subject: `promotion:${promotionId}`,
      promotionId,
      data: { step: 'scan', state },
      traceId: null,
    });
  }
  return planDigest;
}
