/**
 * A generator whose `return` does not wait for what it is waiting for: `onEnd` runs first and must end that wait. It also
 * runs, once, when the generator ends by itself.
 */
export function endable<T>(
  inner: AsyncGenerator<T, void, undefined>,
  onEnd: () => void,
): AsyncGenerator<T, void, undefined> {
  let isEnded = false;
  const end = (): void => {
    if (isEnded) return;
    isEnded = true;
    onEnd();
  };
  return {
    async next() {
      try {
        const step = await inner.next();
        if (step.done === true) end();
        return step;
      } catch (error) {
        end();
        throw error;
      }
    },
    return(value) {
      end();
      return inner.return(value);
    },
    throw(error: unknown) {
      end();
      return inner.throw(error);
    },
    [Symbol.asyncIterator]() {
      return this;
    },
    async [Symbol.asyncDispose]() {
      await this.return(undefined);
    },
  };
}
