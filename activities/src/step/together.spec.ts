import { expect, test } from '@jest/globals';
import { doTogether, type Told } from './together.ts';

const soon = () => new Promise((resolve) => setTimeout(resolve, 5));

function recorded(most = 3) {
  const batches: (readonly string[])[] = [];
  let running = 0;
  const lanes = doTogether<string, string>(
    async (items) => {
      batches.push(items);
      running += 1;
      expect(running).toBe(1);
      await soon();
      running -= 1;
      if (items.includes('all-bad')) throw new Error('all bad');
      return items.map(
        (item): Told<string> =>
          item === 'bad' ? { error: new Error('bad') } : { answer: `${item}!` },
      );
    },
    (item) => item.split('#')[0] ?? '',
    most,
  );
  return { batches, lanes };
}

test('the first goes at once, what comes meanwhile goes together, within the bound', async () => {
  const { batches, lanes } = recorded();
  const all = ['a', 'b', 'c', 'd', 'e'].map((item) => lanes.add('one', item));
  expect(await Promise.all(all)).toEqual(['a!', 'b!', 'c!', 'd!', 'e!']);
  expect(batches).toEqual([['a'], ['b', 'c', 'd'], ['e']]);
  expect(await lanes.add('one', 'f')).toBe('f!');
});

test('what has one key never goes together, and keeps its order', async () => {
  const { batches, lanes } = recorded();
  await Promise.all(['a', 'b#1', 'b#2', 'c'].map((item) => lanes.add('one', item)));
  expect(batches).toEqual([['a'], ['b#1', 'c'], ['b#2']]);
});

test('each is told its own failure; one that all of them share ends no lane', async () => {
  const { lanes } = recorded();
  const told = await Promise.allSettled(
    ['a', 'bad', 'b', 'c', 'all-bad', 'd', 'e'].map((item) => lanes.add('one', item)),
  );
  expect(told.map(({ status }) => status)).toEqual([
    'fulfilled',
    'rejected',
    'fulfilled',
    'fulfilled',
    'rejected',
    'rejected',
    'rejected',
  ]);
  expect(await lanes.add('one', 'f')).toBe('f!');
});

test('lanes do not wait for each other', async () => {
  const order: string[] = [];
  const lanes = doTogether<string, string>(
    async ([item = '']) => {
      if (item === 'slow') await soon();
      order.push(item);
      return [{ answer: item }];
    },
    (item) => item,
    3,
  );
  await Promise.all([lanes.add('one', 'slow'), lanes.add('two', 'quick')]);
  expect(order).toEqual(['quick', 'slow']);
});
