import type { EventType } from '@sluice/domain';
import { type ApprovalRequestRecord, readChainHead } from '@sluice/persistence';
import { isAskedOf } from '../approval/approval-facts.ts';
import { type GraphqlContext, principalOf } from '../common/graphql-context.ts';
import type { Wakeups } from '../common/wakeups.ts';
import { endable } from './endable.ts';
import { followEvents, type LinkedEvent } from './follow-events.ts';
import { badPosition } from './position.ts';

const APPROVAL_EVENTS: readonly EventType[] = [
  'approval.requested',
  'approval.recorded',
  'approval.refused',
  'approval.closed',
];

/** An event about a request for approval, and the request as it is now. */
export interface ApprovalNotice {
  readonly event: LinkedEvent;
  readonly request: ApprovalRequestRecord;
}

/**
 * Events about requests for approval that are put to this principal, as it is when each of them is told.
 * @param after null begins with what is linked from now on
 * @throws GraphQLError `BAD_USER_INPUT` for a position that no event has yet
 */
export async function followApprovals(
  context: GraphqlContext,
  wakeups: Wakeups,
  after: number | null,
): Promise<AsyncGenerator<ApprovalNotice, void, undefined>> {
  const head = await context.inTenant(readChainHead);
  if (after !== null && after > head) throw badPosition();
  const source = followEvents(context, wakeups, { after: after ?? head, types: APPROVAL_EVENTS });

  async function* follow(): AsyncGenerator<ApprovalNotice, void, undefined> {
    for await (const event of source) {
      const fresh = await context.renew();
      const request = await findRequest(fresh, event);
      if (request !== undefined && isAskedOf(request, principalOf(fresh))) yield { event, request };
    }
  }

  return endable(follow(), () => void source.return());
}

/** The round that an event is about: the one that it names, else the one whose plan it names, else the newest. */
async function findRequest(
  { loaders }: GraphqlContext,
  { promotionId, data }: LinkedEvent,
): Promise<ApprovalRequestRecord | undefined> {
  if (promotionId === null) return undefined;
  const rounds = await loaders.approvalRequestsOf(promotionId);
  return (
    rounds.find(({ round, stepId }) => round === data.round && stepId === data.step) ??
    rounds.find(({ round }) => round === data.round) ??
    rounds.findLast(({ planDigest }) => planDigest === data.planDigest) ??
    rounds.at(-1)
  );
}
