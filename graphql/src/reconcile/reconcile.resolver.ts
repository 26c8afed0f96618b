import { Inject } from '@nestjs/common';
import { Args, Context, Mutation, Query, Resolver } from '@nestjs/graphql';
import { readReconciliation } from '@sluice/persistence';
import type { GraphqlContext } from '../common/graphql-context.ts';
import { InputPipe } from '../common/input.pipe.ts';
import { ReconcileCommands } from './reconcile.commands.ts';
import { ReconcileInput } from './reconcile.input.ts';
import { reconciliationView } from './reconcile.view.ts';

/** Where workflows, records, agents and archive disagree. */
@Resolver()
export class ReconcileResolver {
  readonly #commands: ReconcileCommands;

  constructor(@Inject(ReconcileCommands) commands: ReconcileCommands) {
    this.#commands = commands;
  }

  @Query('reconciliation')
  async reconciliation(@Context() { inTenant }: GraphqlContext) {
    return reconciliationView(await inTenant(readReconciliation));
  }

  @Mutation('reconcile')
  reconcile(
    @Args('input', new InputPipe(ReconcileInput)) input: ReconcileInput,
    @Context() context: GraphqlContext,
  ) {
    return this.#commands.request(context, input);
  }
}
