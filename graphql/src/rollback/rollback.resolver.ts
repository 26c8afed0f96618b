import { Inject } from '@nestjs/common';
import { Args, Context, Mutation, Resolver } from '@nestjs/graphql';
import type { GraphqlContext } from '../common/graphql-context.ts';
import { InputPipe } from '../common/input.pipe.ts';
import { RollbackCommands } from './rollback.commands.ts';
import { RollbackEnvironmentInput } from './rollback-environment.input.ts';

/** The way back. */
@Resolver()
export class RollbackResolver {
  readonly #commands: RollbackCommands;

  constructor(@Inject(RollbackCommands) commands: RollbackCommands) {
    this.#commands = commands;
  }

  @Mutation('rollbackEnvironment')
  rollbackEnvironment(
    @Args('input', new InputPipe(RollbackEnvironmentInput)) input: RollbackEnvironmentInput,
    @Context() context: GraphqlContext,
  ) {
    return this.#commands.rollBack(context, input);
  }
}
