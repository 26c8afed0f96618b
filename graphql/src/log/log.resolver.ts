import { Inject } from '@nestjs/common';
import { Args, Context, Query, Resolver, Subscription } from '@nestjs/graphql';
import { findNewestStepLog, listStepLogs } from '@sluice/persistence';
import type { GraphqlContext } from '../common/graphql-context.ts';
import { InputPipe } from '../common/input.pipe.ts';
import { connectionOf, readPage } from '../common/page.ts';
import { GRAPHQL_PARTS, type GraphqlParts } from '../common/tokens.ts';
import { followLog, type LogMessage } from './follow-log.ts';
import { SearchStepLogsArgs, StepLogAppendedArgs, StepLogArgs, StepLogsArgs } from './log.args.ts';
import { stepLogView } from './log.view.ts';
import { readLogPosition } from './log-position.ts';
import { openLog } from './read-log-text.ts';
import { searchLogs } from './search-logs.ts';

/** Bytes that one answer holds. */
const PAGE_BYTES = 256 * 1024;

/** What steps wrote: read, searched, and followed while they write. */
@Resolver()
export class LogResolver {
  readonly #parts: GraphqlParts;

  constructor(@Inject(GRAPHQL_PARTS) parts: GraphqlParts) {
    this.#parts = parts;
  }

  @Query('stepLogs')
  async stepLogs(
    @Args(new InputPipe(StepLogsArgs)) args: StepLogsArgs,
    @Context() { inTenant }: GraphqlContext,
  ) {
    const page = readPage(args, 20);
    const scope = { promotionId: args.promotion, stepId: args.step ?? undefined };
    return connectionOf(
      await inTenant((tx) => listStepLogs(tx, { ...scope, ...page })),
      stepLogView,
    );
  }

  @Query('stepLog')
  async stepLog(
    @Args(new InputPipe(StepLogArgs)) args: StepLogArgs,
    @Context() { inTenant }: GraphqlContext,
  ) {
    const log = await inTenant((tx) =>
      findNewestStepLog(tx, {
        promotionId: args.promotion,
        stepId: args.step,
        memberKey: args.member ?? '',
        stream: args.purpose === 'COMPENSATE' ? 'compensation' : 'run',
        round: args.round ?? undefined,
        attempt: args.attempt ?? undefined,
      }),
    );
    if (log === undefined) return null;
    const sources = { inTenant, evidence: this.#parts.evidence };
    const piece = await openLog(sources, log, PAGE_BYTES).read(args.offset ?? 0, PAGE_BYTES);
    const isEnd = log.digest !== null && piece.nextOffset >= log.bytes;
    return { log: stepLogView(log), ...piece, isEnd };
  }

  @Query('searchStepLogs')
  searchStepLogs(
    @Args(new InputPipe(SearchStepLogsArgs)) { promotion, text, step }: SearchStepLogsArgs,
    @Context() { inTenant }: GraphqlContext,
  ) {
    const sources = { inTenant, evidence: this.#parts.evidence };
    return searchLogs(sources, { promotionId: promotion, stepId: step ?? undefined, text });
  }

  @Subscription('stepLogAppended', {
    resolve: ({ log, ...rest }: LogMessage) => ({ ...rest, log: stepLogView(log) }),
  })
  stepLogAppended(
    @Args(new InputPipe(StepLogAppendedArgs)) args: StepLogAppendedArgs,
    @Context() context: GraphqlContext,
  ) {
    const { promotion, step, member, after } = args;
    const scope = { promotionId: promotion, stepId: step, memberKey: member ?? '' };
    return followLog(context, this.#parts, scope, readLogPosition(after));
  }
}
