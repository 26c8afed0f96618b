import { Inject } from '@nestjs/common';
import { Args, Context, Query, Resolver } from '@nestjs/graphql';
import type { GraphqlContext } from '../common/graphql-context.ts';
import { InputPipe } from '../common/input.pipe.ts';
import { GRAPHQL_PARTS, type GraphqlParts } from '../common/tokens.ts';
import { pieceOf } from '../log/read-log-text.ts';
import { StepOutputArgs, StepOutputsArgs } from './output.args.ts';
import { findOutputs, listOutputViews, readOutput } from './read-output.ts';

/** Bytes that one answer holds. */
const PAGE_BYTES = 256 * 1024;

/** What steps gave: listed, and read piece by piece. */
@Resolver()
export class OutputResolver {
  readonly #parts: GraphqlParts;

  constructor(@Inject(GRAPHQL_PARTS) parts: GraphqlParts) {
    this.#parts = parts;
  }

  @Query('stepOutputs')
  async stepOutputs(
    @Args(new InputPipe(StepOutputsArgs)) { promotion, step, member }: StepOutputsArgs,
    @Context() { inTenant }: GraphqlContext,
  ) {
    const found = await inTenant((tx) => findOutputs(tx, promotion, step, member));
    return found === undefined ? [] : listOutputViews(found);
  }

  @Query('stepOutput')
  async stepOutput(
    @Args(new InputPipe(StepOutputArgs)) args: StepOutputArgs,
    @Context() { inTenant }: GraphqlContext,
  ) {
    const { promotion, step, name, member } = args;
    const found = await inTenant((tx) => findOutputs(tx, promotion, step, member));
    const output = found && listOutputViews(found).find((one) => one.name === name);
    if (output === undefined) return null;
    const { bytes, problem } = await readOutput(this.#parts.evidence, output);
    const offset = args.offset ?? 0;
    if (bytes === null) {
      return { output, offset, text: null, nextOffset: offset, isEnd: true, problem };
    }
    const piece = pieceOf(bytes, 0, offset, PAGE_BYTES);
    return { output, ...piece, isEnd: piece.nextOffset >= bytes.byteLength, problem: null };
  }
}
