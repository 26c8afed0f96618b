import { Args, Context, Query, Resolver } from '@nestjs/graphql';
import { listEvents } from '@sluice/persistence';
import type { GraphqlContext } from '../common/graphql-context.ts';
import { connectionOf, type PageArgs, readPage } from '../common/page.ts';
import { eventView } from './event.view.ts';

/** The tenant's audit events. */
@Resolver('Event')
export class EventResolver {
  @Query('events')
  async events(@Args() args: PageArgs, @Context() { inTenant }: GraphqlContext) {
    const page = readPage(args, 50);
    return connectionOf(await inTenant((tx) => listEvents(tx, page)), eventView);
  }
}
