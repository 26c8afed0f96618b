import type { MutationCase, MutationInput } from './mutation-table.ts';
import { addRollout } from './rollout-scene.ts';
import { addRelease } from './scene.ts';
import type { TestApi } from './test-api.ts';

let versions = 0;

async function rollingOut(api: TestApi): Promise<MutationInput> {
  versions += 1;
  const promotion = await addRollout(api, await addRelease(api, `8.0.${versions}`));
  return { promotion, step: 'roll', action: 'PAUSE', comment: 'a look' };
}

/** What `steerRollout` owes the walks. */
export const STEER_ROLLOUT_CASE: MutationCase = {
  valid: rollingOut,
  unauthorised: ['viewer', 'approver'],
  other: (input) => ({ ...input, action: 'ABORT' }),
  refusals: {
    NotFound: async (api) => ({
      input: { ...(await rollingOut(api)), step: 'another' },
      code: 'rollout-unknown',
    }),
    StateConflict: async (api) => {
      const input = await rollingOut(api);
      await api.database.query(
        "update sluice.promotions set state = 'cancelled', ended_at = now() where promotion_id = $1",
        [input['promotion']],
      );
      return { input, code: 'promotion-ended' };
    },
    SteerRefused: async (api) => ({
      input: { ...(await rollingOut(api)), action: 'RESUME' },
      code: 'rollout-not-paused',
      event: 'rollout.steer-refused',
    }),
    EngineUnavailable: async (api) => {
      const input = await rollingOut(api);
      api.engine.lose('engine-unreachable');
      return { input, code: 'engine-unreachable' };
    },
  },
  event: 'rollout.steer-requested',
};
