import { Injectable } from '@nestjs/common';
import { ROLLBACK_PIPELINE, type RollbackTo } from '@sluice/domain';
import { type EnvironmentRecord, getPromotion, type Tx } from '@sluice/persistence';
import { answerCommand } from '../common/answer-command.ts';
import { type GraphqlContext, principalOf } from '../common/graphql-context.ts';
import { invalidInput, notPermitted } from '../common/refusal.ts';
import { requireEnvironment } from '../environment/require-environment.ts';
import { type PromotionView, promotionView } from '../promotion/promotion.view.ts';
import { storePromotion } from '../promotion/store-promotion.ts';
import { chooseRelease } from './choose-release.ts';
import type { RollbackEnvironmentInput } from './rollback-environment.input.ts';

const STORED_TO: Readonly<Record<RollbackEnvironmentInput['to'], RollbackTo>> = {
  LAST_VERIFIED: 'last-verified',
  RELEASE: 'release',
  NOTHING: 'nothing',
};

/** Rollbacks: promotions of an earlier release, or of nothing, that take the lease from whoever holds it. */
@Injectable()
export class RollbackCommands {
  /** Asks for a rollback; a repeated key gives the same promotion as it is now. */
  async rollBack(context: GraphqlContext, input: RollbackEnvironmentInput): Promise<PromotionView> {
    const { environment, to, reason, idempotencyKey } = input;
    const release = input.release ?? null;
    if ((to === 'RELEASE') !== (release !== null)) {
      throw invalidInput('release', 'release: name one exactly when "to" is RELEASE');
    }
    return context.inTenant(async (tx) => {
      const id = await answerCommand(
        tx,
        context,
        'rollbackEnvironment',
        idempotencyKey,
        { environment, to, release, reason },
        () => requestRollback(tx, context, { environment, to, release, reason }),
      );
      return promotionView(await getPromotion(tx, id));
    });
  }
}

async function requestRollback(
  tx: Tx,
  context: GraphqlContext,
  asked: Pick<RollbackEnvironmentInput, 'environment' | 'to' | 'reason'> & {
    readonly release: string | null;
  },
): Promise<string> {
  const environment = await requireEnvironment(tx, asked.environment);
  assertMayRollBack(context, environment);
  const releaseDigest = await chooseRelease(tx, environment.name, asked);
  return storePromotion(tx, context, {
    environment: environment.name,
    releaseDigest,
    kind: 'rollback',
    steps: ROLLBACK_PIPELINE.steps,
    rollback: { to: STORED_TO[asked.to], reason: asked.reason },
    data: { to: asked.to, reason: asked.reason },
  });
}

function assertMayRollBack(
  context: GraphqlContext,
  { name, rollbackRoles }: EnvironmentRecord,
): void {
  const { principalId, role } = principalOf(context);
  if (rollbackRoles.includes(role)) return;
  throw notPermitted(
    principalId,
    'environment.rollback',
    `${principalId} is ${role}; ${name} may be rolled back by ${rollbackRoles.join(' or ')} only.`,
  );
}
