import {
  composePlan,
  composeRelease,
  type Decision,
  type Envelope,
  type PromotionKind,
  STANDARD_PIPELINE,
} from '@sluice/domain';
import {
  insertDecision,
  insertEvent,
  insertPlan,
  insertPromotion,
  insertRelease,
  insertStatement,
  setCurrentRelease,
  setPromotionState,
  setStepState,
  takeLease,
  upsertDeployment,
  withTenant,
} from '@sluice/persistence';
import { determinismHash, digestOfBytes, planDigest } from '@sluice/pure';
import { TENANT, type TestApi } from './test-api.ts';

/** Stores a release of one component; gives its digest. */
export async function addRelease(api: TestApi, version: string, tenant = TENANT): Promise<string> {
  const digest = digestOfBytes(`web ${version}`);
  const composed = composeRelease('shop', version, [{ name: 'web', kind: 'oci', digest, version }]);
  if (!composed.ok) throw new Error(composed.refusal.message);
  const stored = await withTenant(api.workerPool, tenant, (tx) =>
    insertRelease(tx, { release: composed.value, createdBy: 'release-manager' }),
  );
  if (!stored.ok) throw new Error(stored.refusal.message);
  return stored.value.releaseDigest;
}

/** Stores a promotion as `requestPromotion` would; gives its id. */
export async function addPromotion(
  api: TestApi,
  releaseDigest: string,
  tenant = TENANT,
  {
    environment = 'dev',
    requestedBy = 'release-manager',
    pipeline = STANDARD_PIPELINE,
    kind = 'promote' as PromotionKind,
  } = {},
): Promise<string> {
  return withTenant(api.appPool, tenant, async (tx) => {
    const { promotionId } = await insertPromotion(tx, {
      environment,
      releaseDigest,
      kind,
      requestedBy,
      requestedPerson: requestedBy,
      rollback: kind === 'rollback' ? { to: 'nothing', reason: 'it broke' } : undefined,
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      steps: pipeline.steps,
    });
    await insertEvent(tx, {
      type: 'promotion.requested',
      actor: 'principal:release-manager',
      subject: `promotion:${promotionId}`,
      promotionId,
      data: {},
      traceId: '0af7651916cd43dd8448eb211c80319c',
    });
    return promotionId;
  });
}

/** A decision that allows. */
export const testDecision: Decision = ((): Decision => {
  const fixed = {
    decision: 'allow' as const,
    reasonCodes: ['waived'],
    policyDigest: digestOfBytes('policy'),
    inputDigest: digestOfBytes('input'),
  };
  return {
    ...fixed,
    determinismHash: determinismHash(fixed),
    evaluatedAt: '2030-01-01T00:00:00Z',
    trace: [
      { rule: 'no-secrets', source: 'gate.rego:1', result: 'allow', finding: 'none', remedy: '' },
    ],
  };
})();

/** Gives a promotion all that hangs on one: running steps, decision, deployment, statement, lease, event. */
export async function fillPromotion(
  api: TestApi,
  promotionId: string,
  releaseDigest: string,
  tenant = TENANT,
): Promise<void> {
  const target = `${tenant}-host`;
  const side = { release: releaseDigest, components: [], settings: {} };
  const plan = composePlan(target, null, side);
  await withTenant(api.workerPool, tenant, async (tx) => {
    await setPromotionState(tx, { promotionId, state: 'running' });
    await setStepState(tx, { promotionId, stepId: 'scan', state: 'running' });
    await setStepState(tx, {
      promotionId,
      stepId: 'scan',
      state: 'succeeded',
      outputs: { sbom: digestOfBytes('sbom') },
    });
    await insertDecision(tx, { promotionId, stepId: 'gate', decision: testDecision });
    await insertPlan(tx, plan);
    await upsertDeployment(tx, { promotionId, target, planDigest: planDigest(plan) });
    await insertStatement(tx, {
      statementDigest: digestOfBytes(`statement of ${promotionId}`),
      promotionId,
      predicateType: 'urn:sluice:scan:v1',
      envelope: envelopeOf(promotionId),
    });
    await setCurrentRelease(tx, { target, promotionId, side });
    await takeLease(tx, { resource: 'environment:dev', holder: `promotion:${promotionId}` });
    await insertEvent(tx, {
      type: 'step.state-changed',
      actor: 'system:worker',
      subject: `promotion:${promotionId}`,
      promotionId,
      data: { step: 'scan', state: 'succeeded' },
      traceId: null,
    });
  });
}

/** An envelope that says this; nobody signed it. */
export function envelopeOf(text: string): Envelope {
  const payload = Buffer.from(JSON.stringify({ text })).toString('base64');
  return { payloadType: 'application/vnd.in-toto+json', payload, signatures: [{ sig: 'AA==' }] };
}
