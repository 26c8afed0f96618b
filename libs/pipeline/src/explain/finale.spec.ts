import { expect, test } from '@jest/globals';
import { type FinaleNode, finaleIds } from './finale.ts';

test('what asks for the whole is decided in the finale, and what comes after it', () => {
  const steps: readonly FinaleNode[] = [
    { id: 'after-page', needs: ['page', 'plan'], when: 'always' },
    { id: 'plan', needs: [] },
    { id: 'tidy', needs: [], when: 'always' },
    { id: 'alarm', needs: ['plan'], when: 'onFailure' },
    { id: 'page', needs: [], when: 'onFailure' },
    { id: 'withdraw', needs: ['plan'], when: 'onCancel' },
  ];
  expect([...finaleIds(steps)].sort()).toEqual(['after-page', 'page', 'withdraw']);
});

test('looks at each need of a long chain a few times, whichever end stands first', () => {
  const count = 5000;
  let looks = 0;
  const counted = (needs: readonly string[]): readonly string[] =>
    new Proxy(needs, {
      get(target, name, receiver) {
        if (name === '0') looks += 1;
        return Reflect.get(target, name, receiver);
      },
    });
  const chain = Array.from({ length: count }, (_, at): FinaleNode => {
    if (at === 0) return { id: 's0', needs: counted([]), when: 'onFailure' };
    return { id: `s${at}`, needs: counted([`s${at - 1}`]) };
  });
  expect(finaleIds(chain.toReversed()).size).toBe(count);
  expect(looks).toBeLessThan(2 * count);
});
