/** Work of the same kind at the same time, done together. */
export interface Together<Item, Answer> {
  /** @param lane only items of one lane are done together */
  add(lane: string, item: Item): Promise<Answer>;
}

/** What came of one item. */
export type Told<Answer> = { readonly answer: Answer } | { readonly error: unknown };

/** The answer; throws what came in its place. */
export function answerOf<Answer>(told: Told<Answer>): Answer {
  if ('error' in told) throw told.error as Error;
  return told.answer;
}

interface Waiting<Item, Answer> {
  readonly item: Item;
  readonly tell: (told: Told<Answer>) => void;
}

/**
 * Gathers items while those before them are being done: the first of a lane goes at once and alone, what comes meanwhile goes together when
 * it is done. So nobody waits where there is little to do, and the more there is the fewer times it is gone.
 * @param work gives what came of each item, in their order; where it throws, all of them have failed so
 * @param keyOf items with one key never go together
 * @param most items at a time
 */
export function doTogether<Item, Answer>(
  work: (items: readonly Item[]) => Promise<readonly Told<Answer>[]>,
  keyOf: (item: Item) => string,
  most: number,
): Together<Item, Answer> {
  const lanes = new Map<string, Waiting<Item, Answer>[]>();

  async function run(lane: string, waiting: Waiting<Item, Answer>[]): Promise<void> {
    while (waiting.length > 0) {
      const taken = takeDistinct(waiting, ({ item }) => keyOf(item), most);
      const items = taken.map(({ item }) => item);
      const told = await tellAll(items);
      for (const [index, { tell }] of taken.entries()) {
        tell(told[index] ?? { error: new Error('Nothing was said of it.') });
      }
    }
    lanes.delete(lane);
  }

  async function tellAll(items: readonly Item[]): Promise<readonly Told<Answer>[]> {
    try {
      return await work(items);
    } catch (error) {
      return items.map(() => ({ error }));
    }
  }

  return {
    add: (lane, item) =>
      new Promise((resolve, reject) => {
        const tell = (told: Told<Answer>): void =>
          'error' in told ? reject(told.error) : resolve(told.answer);
        const waiting = lanes.get(lane);
        if (waiting !== undefined) {
          waiting.push({ item, tell });
          return;
        }
        const first = [{ item, tell }];
        lanes.set(lane, first);
        void run(lane, first);
      }),
  };
}

/** Takes the first items out, those with a key that was taken stay for the next time. */
function takeDistinct<Value>(
  waiting: Value[],
  keyOf: (value: Value) => string,
  most: number,
): readonly Value[] {
  const keys = new Set<string>();
  const taken: Value[] = [];
  const left: Value[] = [];
  for (const value of waiting) {
    const key = keyOf(value);
    if (taken.length < most && !keys.has(key)) taken.push(value);
    else left.push(value);
    keys.add(key);
  }
  waiting.splice(0, waiting.length, ...left);
  return taken;
}
