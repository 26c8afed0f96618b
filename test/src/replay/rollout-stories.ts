import { STEER_ROLLOUT } from '@sluice/temporal-contract';
import { rolloutPutBack } from '../workflows/course-fault-settings.ts';
import { cancel } from '../workflows/course-stage.ts';
import type { FakeSettings } from '../workflows/fake-activities.ts';
import { composeCourseRules, step } from '../workflows/fake-course-rules.ts';
import { layoutOf, steer, verdict } from '../workflows/fake-rollout.ts';
import type { PlayedPromotion } from '../workflows/promotion-stage.ts';
import { until } from '../workflows/waiting.ts';
import { playPromotion, type Story } from './play-promotion.ts';

const TARGETS = ['host-1', 'host-2', 'host-3'];

/** A canary that asks once, for nobody knows whether its first stage holds. */
function asked(): FakeSettings {
  const steps = [
    step('plan', { type: 'plan@1' }),
    step('roll', { type: 'rollout@1', needs: ['plan'] }),
  ];
  return {
    rules: composeCourseRules(steps, { targets: TARGETS }),
    rollouts: {
      roll: layoutOf([1, 2, 3], { strategy: 'canary', router: 'edge' }, (at) => ({
        soakSeconds: 1,
        gate: at > 0,
      })),
    },
    watch: async (stage, look) =>
      stage === 0 && look === 1 ? verdict('inconclusive', 'too-few-samples') : 'pass',
  };
}

async function steerOnce(
  { handle, records }: PlayedPromotion,
  action: 'resume' | 'promote',
): Promise<void> {
  await until(() => records.positions.some((line) => line.startsWith('paused')), 60);
  const input = steer(action, { steerId: `mia/${action}` });
  await handle.executeUpdate(STEER_ROLLOUT, { args: [input], updateId: input.steerId });
}

/** Rollouts: asked and resumed, promoted, put back, and cancelled while it was paused. */
export const ROLLOUT_STORIES: Readonly<Record<string, Story>> = {
  'promotion-succeeded-rollout': playPromotion(asked(), (promotion) =>
    steerOnce(promotion, 'resume'),
  ),
  'promotion-succeeded-rollout-promoted': playPromotion(asked(), (promotion) =>
    steerOnce(promotion, 'promote'),
  ),
  'promotion-reverted-rollout': playPromotion(rolloutPutBack({})),
  'promotion-cancelled-rollout': playPromotion(asked(), async (promotion) => {
    await until(() => promotion.records.positions.some((line) => line.startsWith('paused')), 60);
    await cancel(promotion);
  }),
};
