import type { EventType } from '@sluice/domain';
import {
  EVENTS_CHANNEL,
  type EventRecord,
  listLinkedEvents,
  readChainHead,
} from '@sluice/persistence';
import { type GraphqlContext, principalOf } from '../common/graphql-context.ts';
import type { Wakeups } from '../common/wakeups.ts';
import { endable } from './endable.ts';

/** Events are looked for this often even when no wake-up came. Milliseconds. */
const LOOK_EVERY_MS = 5000;

/** Events that one look takes at most. */
const BATCH = 200;

/** Thrown at subscribers when this process stops: they go on at another one, behind what they got. */
export class StoppingError extends Error {
  readonly code = 'stopping';

  constructor() {
    super('This process stops; subscribe again behind the last position.');
    this.name = 'StoppingError';
  }
}

/** Which events are followed. */
export interface EventFilter {
  /** Position behind which the first one stands. */
  readonly after: number;
  readonly promotionId?: string;
  readonly types?: readonly EventType[];
}

/** A linked event. */
export type LinkedEvent = EventRecord & { readonly position: number };

/**
 * Linked events behind a position, and those that are linked later, for ever: none twice, none left out. The chain's
 * positions are what guards that; a notification only says when to look.
 * @throws StoppingError when this process stops
 */
export function followEvents(
  context: GraphqlContext,
  wakeups: Wakeups,
  { after, promotionId, types }: EventFilter,
): AsyncGenerator<LinkedEvent, void, undefined> {
  const scope = {
    ...(promotionId === undefined ? {} : { promotionId }),
    ...(types === undefined ? {} : { types }),
  };
  // From here on no wake-up is lost, even those before the first look.
  const ear = wakeups.subscribe(EVENTS_CHANNEL, principalOf(context).tenantId);
  let ended = false;

  async function* follow(): AsyncGenerator<LinkedEvent, void, undefined> {
    let position = after;
    while (!ended) {
      if (wakeups.isClosed) throw new StoppingError();
      const { head, events } = await context.inTenant(async (tx) => ({
        // Read first: every event up to it is linked, so the second statement sees it.
        head: await readChainHead(tx),
        events: await listLinkedEvents(tx, { after: position, limit: BATCH, ...scope }),
      }));
      for (const event of events) {
        if (ended) return;
        position = event.position ?? position;
        yield { ...event, position };
      }
      if (events.length === BATCH) continue;
      // What stands between the last event and the head is of no interest: it is not looked through again.
      position = Math.max(position, head);
      if (!ended) await ear.next(LOOK_EVERY_MS);
    }
  }

  return endable(follow(), () => {
    ended = true;
    ear.close();
  });
}
