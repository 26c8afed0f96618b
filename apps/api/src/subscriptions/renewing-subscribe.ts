import type { GraphqlContext } from '@sluice/graphql';
import {
  createSourceEventStream,
  type ExecutionArgs,
  type ExecutionResult,
  execute,
} from 'graphql';

/**
 * Subscribes as graphql-js does, but resolves each event in a context of its own: who asks is looked up again, and nothing
 * that was read for an earlier event is shown for a later one.
 * @param isEnd takes the error that ended the stream; true when it was dealt with, and the stream only ends
 */
export async function subscribeRenewing(
  args: ExecutionArgs & { readonly contextValue: GraphqlContext },
  isEnd: (error: unknown) => boolean,
): Promise<AsyncGenerator<ExecutionResult, void, void>> {
  const source = await createSourceEventStream(args);
  if (!(Symbol.asyncIterator in source)) return refuse(source);
  const events = source[Symbol.asyncIterator]();

  async function* resolveEach(): AsyncGenerator<ExecutionResult, void, void> {
    try {
      for (;;) {
        const step = await events.next();
        if (step.done === true) return;
        const contextValue = await args.contextValue.renew();
        yield await execute({ ...args, rootValue: step.value, contextValue });
      }
    } catch (error) {
      if (!isEnd(error)) throw error;
    } finally {
      await events.return?.();
    }
  }

  const results = resolveEach();
  const ending: AsyncGenerator<ExecutionResult, void, void> = {
    next: () => results.next(),
    // The source first: it ends the wait in which `next` may be.
    return: async (value) => {
      await events.return?.();
      return results.return(value);
    },
    throw: (error: unknown) => results.throw(error),
    [Symbol.asyncIterator]() {
      return this;
    },
    async [Symbol.asyncDispose]() {
      await this.return(undefined);
    },
  };
  return ending;
}

/** A result with errors would be told as one event, and the end as a good one: an error is told as such. */
async function* refuse({ errors }: ExecutionResult): AsyncGenerator<ExecutionResult, void, void> {
  throw errors?.[0] ?? new Error('There is no source of events, and no error that says why.');
}
