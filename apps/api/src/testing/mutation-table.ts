import { digestOfBytes } from '@sluice/pure';
import { addWaitingApproval } from './approval-scene.ts';
import { addDiscrepancy, addHistory, addLiveHistory, addProblem, expire } from './history-scene.ts';
import { pipelineText, publishSample } from './pipeline-scene.ts';
import { addPromotion, addRelease } from './scene.ts';
import { STEER_ROLLOUT_CASE } from './steer-rollout-case.ts';
import { TENANT, type TestApi } from './test-api.ts';

/** An input of a mutation without its idempotency key. */
export type MutationInput = Record<string, unknown>;

/** What every mutation owes the walks. */
export interface MutationCase {
  /** An input that is carried out, for the principal `admin`; a fresh one at each call. */
  readonly valid: (api: TestApi) => Promise<MutationInput>;
  /** Principals whose role does not hold the permission; at least one. */
  readonly unauthorised: readonly [string, ...string[]];
  /** Another payload than the valid one: with the same key it is a conflict. */
  readonly other: (input: MutationInput) => MutationInput;
  /** For each member of the union that says no to what is asked for: an input that gets it, with its code. */
  readonly refusals: Readonly<Record<string, (api: TestApi) => Promise<RefusedInput>>>;
  /** Type of the event that is written when it was carried out. */
  readonly event: string;
}

/** An input that is refused. */
export interface RefusedInput {
  readonly input: MutationInput;
  readonly code: string;
  /** Type of the event that records it; `request.refused` when absent. */
  readonly event?: string;
}

const component = { name: 'web', source: 'images', reference: '1.0.0' };
const unknownDigest = digestOfBytes('nothing has this digest');
let versions = 0;

function freshRelease(api: TestApi): Promise<string> {
  versions += 1;
  return addRelease(api, `7.0.${versions}`);
}

/** No two calls of a walk publish the same version. */
function freshVersion(): number {
  versions += 1;
  return versions;
}

async function decision(api: TestApi): Promise<MutationInput> {
  const waiting = await addWaitingApproval(api, await freshRelease(api));
  return { ...waiting, decision: 'APPROVE', comment: 'seen' };
}

async function freshPromotion(api: TestApi): Promise<string> {
  return addPromotion(api, await freshRelease(api));
}

/** A promotion whose workflow runs. */
async function runningPromotion(api: TestApi): Promise<string> {
  const promotion = await freshPromotion(api);
  api.engine.run({ tenantId: TENANT, promotionId: promotion });
  return promotion;
}

/** The one table: a mutation that is not in it fails the walks. */
export const MUTATION_TABLE: Readonly<Record<string, MutationCase>> = {
  createRelease: {
    valid: async () => ({ name: 'shop', version: '1.0.0', components: [component] }),
    unauthorised: ['viewer', 'approver'],
    other: (input) => ({ ...input, version: '1.0.1' }),
    refusals: {
      NotFound: async () => ({
        input: {
          name: 'shop',
          version: '1.0.0',
          components: [{ ...component, source: 'nowhere' }],
        },
        code: 'source-unknown',
      }),
    },
    event: 'release.requested',
  },
  requestPromotion: {
    valid: async (api) => ({
      release: await freshRelease(api),
      environment: 'dev',
      parameters: {},
    }),
    unauthorised: ['viewer', 'approver'],
    other: (input) => ({ ...input, environment: 'prod' }),
    refusals: {
      PipelineInvalid: async (api) => ({
        input: {
          release: await freshRelease(api),
          environment: 'dev',
          parameters: { region: 'eu' },
        },
        code: 'pipeline-invalid',
      }),
      NotFound: async () => ({
        input: { release: unknownDigest, environment: 'dev' },
        code: 'release-unknown',
      }),
      StateConflict: async (api) => ({
        input: { release: await freshRelease(api), environment: 'prod' },
        code: 'predecessor-not-verified',
      }),
    },
    event: 'promotion.requested',
  },
  cancelPromotion: {
    valid: async (api) => ({
      promotion: await addPromotion(api, await freshRelease(api)),
      reason: 'no longer wanted',
    }),
    unauthorised: ['viewer', 'approver'],
    other: (input) => ({ ...input, reason: 'another reason' }),
    refusals: {
      NotFound: async () => ({
        input: { promotion: 'dev/4711', reason: 'x' },
        code: 'promotion-unknown',
      }),
      StateConflict: async (api) => {
        const promotion = await addPromotion(api, await freshRelease(api));
        await api.database.query(
          "update sluice.promotions set state = 'cancelled', ended_at = now() where promotion_id = $1",
          [promotion],
        );
        return { input: { promotion, reason: 'x' }, code: 'promotion-ended' };
      },
    },
    event: 'promotion.cancel-requested',
  },
  decideApproval: {
    valid: decision,
    unauthorised: ['viewer', 'release-manager'],
    other: (input) => ({ ...input, decision: 'REJECT' }),
    refusals: {
      NotFound: async (api) => ({
        input: { ...(await decision(api)), promotion: 'prod/4711' },
        code: 'promotion-unknown',
      }),
      StateConflict: async (api) => ({
        input: {
          ...(await decision(api)),
          promotion: await addPromotion(api, await freshRelease(api)),
        },
        code: 'promotion-not-started',
      }),
      ApprovalRefused: async (api) => ({
        input: { ...(await decision(api)), plan: unknownDigest },
        code: 'approval-wrong-plan',
        event: 'approval.refused',
      }),
      EngineUnavailable: async (api) => {
        const input = await decision(api);
        api.engine.lose('engine-unreachable');
        return { input, code: 'engine-unreachable' };
      },
    },
    event: 'approval.recorded',
  },
  rollbackEnvironment: {
    valid: async () => ({
      environment: 'prod',
      to: 'NOTHING',
      release: null,
      reason: 'it broke',
    }),
    unauthorised: ['viewer', 'approver'],
    other: (input) => ({ ...input, environment: 'dev' }),
    refusals: {
      NotFound: async () => ({
        input: { environment: 'nowhere', to: 'NOTHING', reason: 'x' },
        code: 'environment-unknown',
      }),
      StateConflict: async () => ({
        input: { environment: 'empty', to: 'NOTHING', reason: 'x' },
        code: 'environment-without-targets',
      }),
    },
    event: 'promotion.requested',
  },
  steerRollout: STEER_ROLLOUT_CASE,
  exportHistories: {
    valid: async (api) => {
      const promotion = await freshPromotion(api);
      await addHistory(api, promotion);
      return { promotion, form: 'REDACTED', reason: 'it failed' };
    },
    unauthorised: ['viewer', 'approver'],
    other: (input) => ({ ...input, form: 'ENCRYPTED' }),
    refusals: {
      NotFound: async () => ({
        input: { promotion: 'dev/4711', form: 'REDACTED', reason: 'x' },
        code: 'promotion-unknown',
      }),
      StateConflict: async (api) => {
        const promotion = await freshPromotion(api);
        await expire(api, await addHistory(api, promotion));
        return { input: { promotion, form: 'ENCRYPTED', reason: 'x' }, code: 'history-expired' };
      },
      EngineUnavailable: async (api) => {
        const promotion = await freshPromotion(api);
        await addLiveHistory(api, promotion);
        api.engine.lose('engine-unreachable');
        const input = { promotion, form: 'REDACTED', reason: 'x' };
        return { input, code: 'engine-unreachable' };
      },
    },
    event: 'history.read',
  },
  resetPromotion: {
    valid: async (api) => ({
      promotion: await runningPromotion(api),
      event: 4,
      reason: 'the build was wrong',
    }),
    unauthorised: ['viewer', 'approver'],
    other: (input) => ({ ...input, reason: 'another reason' }),
    refusals: {
      NotFound: async () => ({
        input: { promotion: 'dev/4711', event: 4, reason: 'x' },
        code: 'promotion-unknown',
      }),
      StateConflict: async (api) => ({
        input: { promotion: await runningPromotion(api), event: 3, reason: 'x' },
        code: 'reset-impossible',
      }),
      EngineUnavailable: async (api) => {
        const promotion = await runningPromotion(api);
        api.engine.lose('engine-unreachable');
        return { input: { promotion, event: 4, reason: 'x' }, code: 'engine-unreachable' };
      },
    },
    event: 'promotion.reset-requested',
  },
  resumePromotion: {
    valid: async (api) => {
      const promotion = await freshPromotion(api);
      await addProblem(api, promotion);
      return { promotion, reason: 'the scanner is back' };
    },
    unauthorised: ['viewer', 'approver'],
    other: (input) => ({ ...input, reason: 'another reason' }),
    refusals: {
      NotFound: async () => ({
        input: { promotion: 'dev/4711', reason: 'x' },
        code: 'promotion-unknown',
      }),
      StateConflict: async (api) => ({
        input: { promotion: await freshPromotion(api), reason: 'x' },
        code: 'nothing-to-resume',
      }),
    },
    event: 'promotion.resume-requested',
  },
  reconcile: {
    valid: async (api) => ({
      discrepancies: [await addDiscrepancy(api, 'workflow-outlives-promotion')],
    }),
    unauthorised: ['viewer', 'approver', 'release-manager'],
    other: () => ({ discrepancies: ['history-missing:workflow:another'] }),
    refusals: {
      NotFound: async () => ({
        input: { discrepancies: ['history-missing:workflow:none'] },
        code: 'discrepancy-unknown',
      }),
      StateConflict: async (api) => ({
        input: { discrepancies: [await addDiscrepancy(api, 'history-lost')] },
        code: 'not-repairable',
      }),
    },
    event: 'discrepancy.repair-requested',
  },
  publishPipeline: {
    valid: async () => ({ text: pipelineText(freshVersion()) }),
    unauthorised: ['viewer', 'approver', 'release-manager'],
    other: () => ({ text: pipelineText(freshVersion()) }),
    refusals: {
      PipelineInvalid: async () => ({
        input: { text: 'schema: sluice.pipeline/v2\nname: standard\nversion: 1\nsteps: []\n' },
        code: 'pipeline-invalid',
      }),
      PipelineVersionTaken: async (api) => {
        const version = freshVersion();
        await publishSample(api, version);
        return { input: { text: pipelineText(version, 30) }, code: 'pipeline-version-taken' };
      },
    },
    event: 'pipeline.published',
  },
};
