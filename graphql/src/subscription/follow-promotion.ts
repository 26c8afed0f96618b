import { findPromotion, listLinkedEvents, readChainHead } from '@sluice/persistence';
import { badUserInput } from '../common/bad-user-input.ts';
import type { GraphqlContext } from '../common/graphql-context.ts';
import type { Wakeups } from '../common/wakeups.ts';
import { endable } from './endable.ts';
import { followEvents, type LinkedEvent } from './follow-events.ts';
import { badPosition } from './position.ts';

/** The last event of a promotion that is told: what follows is not about it. */
const LAST = 'promotion.sealed';

/**
 * Every event of a promotion behind a position, to its seal.
 * @throws GraphQLError `BAD_USER_INPUT` for a promotion that is not there, or a position that no event has yet
 */
export async function followPromotion(
  context: GraphqlContext,
  wakeups: Wakeups,
  promotionId: string,
  after: number,
): Promise<AsyncGenerator<LinkedEvent, void, undefined>> {
  const { promotion, head, seal } = await context.inTenant(async (tx) => ({
    promotion: await findPromotion(tx, promotionId),
    head: await readChainHead(tx),
    seal: await listLinkedEvents(tx, { after: 0, limit: 1, promotionId, types: [LAST] }),
  }));
  if (promotion === undefined) {
    throw badUserInput(
      `promotion: there is no promotion ${promotionId}; list promotions.`,
      'promotion',
    );
  }
  if (after > head) throw badPosition();
  const sealedAt = seal[0]?.position ?? null;
  const isOver = sealedAt !== null && sealedAt <= after;
  const source = followEvents(context, wakeups, { after, promotionId });

  async function* follow(): AsyncGenerator<LinkedEvent, void, undefined> {
    if (isOver) return;
    for await (const event of source) {
      yield event;
      if (event.type === LAST) return;
    }
  }

  return endable(follow(), () => void source.return());
}
