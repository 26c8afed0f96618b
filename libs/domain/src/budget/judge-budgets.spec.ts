import { describe, expect, test } from '@jest/globals';
import {
  budgetLimit,
  type DisruptionBudget,
  findBudgetProblem,
  isBudgetOf,
} from './disruption-budget.ts';
import { type BudgetUse, judgeBudgets } from './judge-budgets.ts';

const budget = (changed: Partial<DisruptionBudget> = {}): DisruptionBudget => ({
  name: 'web',
  selector: { tier: 'web' },
  maxUnavailable: 2,
  maxUnavailablePercent: null,
  ...changed,
});
const share = (percent: number): Partial<DisruptionBudget> => ({
  maxUnavailable: null,
  maxUnavailablePercent: percent,
});
const use = (
  others: number,
  matching: number,
  changed: Partial<DisruptionBudget> = {},
): BudgetUse => ({
  budget: budget(changed),
  matching,
  others,
  holders: Array.from({ length: Math.min(5, others) }, (_, index) => ({
    target: `web-${index}`,
    promotionId: index === 0 ? null : `prod/${index}`,
  })),
});

describe('a budget', () => {
  test.each([
    [{}, undefined],
    [{ selector: {} }, undefined],
    [share(0), undefined],
    [{ name: 'Web' }, 'name'],
    [{ selector: { tier: '' } }, 'selector'],
    [{ selector: { tier: 3 as unknown as string } }, 'selector'],
    [{ maxUnavailablePercent: 10 }, 'maxUnavailable'],
    [{ maxUnavailable: null }, 'maxUnavailable'],
    [{ maxUnavailable: -1 }, 'maxUnavailable'],
    [{ maxUnavailable: 1.5 }, 'maxUnavailable'],
    [share(101), 'maxUnavailablePercent'],
    [share(Number.NaN), 'maxUnavailablePercent'],
  ] as const)('%j has its problem at %s', (changed, path) => {
    expect(findBudgetProblem(budget(changed))?.path).toBe(path);
  });

  test('matches targets that have all of its labels, each with that value', () => {
    expect(isBudgetOf(budget(), { tier: 'web', zone: 'a' })).toBe(true);
    expect(isBudgetOf(budget(), { tier: 'db' })).toBe(false);
    expect(isBudgetOf(budget({ selector: { toString: 'x' } }), {})).toBe(false);
    expect(isBudgetOf(budget({ selector: {} }), {})).toBe(true);
  });

  test('rounds a share down, exactly, and never above it', () => {
    expect(budgetLimit(budget(share(25)), 3)).toBe(0);
    expect(budgetLimit(budget(share(29)), 100)).toBe(29);
    expect(budgetLimit(budget(share(100)), 7)).toBe(7);
    const wrong: string[] = [];
    for (let matching = 0; matching <= 200; matching += 1) {
      for (let percent = 0; percent <= 100; percent += 1) {
        const limit = budgetLimit(budget(share(percent)), matching);
        const isExact = limit * 100 <= matching * percent && (limit + 1) * 100 > matching * percent;
        if (!isExact) wrong.push(`${percent} % of ${matching}: ${limit}`);
      }
    }
    expect(wrong).toEqual([]);
  });
});

describe('the judge', () => {
  test('grants while each budget has room for one more', () => {
    expect(judgeBudgets('web-9', [])).toEqual({ kind: 'grant' });
    expect(
      judgeBudgets('web-9', [use(1, 10), use(4, 10, { name: 'all', ...share(50) })]).kind,
    ).toBe('grant');
  });

  test('lets wait, and says for whom', () => {
    const verdict = judgeBudgets('web-9', [use(2, 10)]);
    expect(verdict).toMatchObject({
      kind: 'wait',
      budget: 'web',
      reason: { code: 'budget-exhausted' },
    });
    const { message } = (verdict as { reason: { message: string } }).reason;
    expect(message).toContain('2 of 10 matching targets are unavailable');
    expect(message).toContain('web-0 offline, web-1 by prod/1');
  });

  test('refuses where there never is room, before it lets wait', () => {
    const uses = [use(2, 10), use(0, 3, { name: 'zone', ...share(25) })];
    const verdict = judgeBudgets('web-9', uses);
    expect(verdict).toMatchObject({
      kind: 'refuse',
      budget: 'zone',
      reason: { code: 'budget-zero' },
    });
    expect((verdict as { reason: { message: string } }).reason.message).toContain('at least 34 %');
    expect(judgeBudgets('web-9', [...uses].reverse())).toEqual(verdict);
    expect(judgeBudgets('web-9', [use(0, 3, { maxUnavailable: 0 })]).kind).toBe('refuse');
  });

  test('never grants what would exceed a budget, whatever the numbers', () => {
    const seed = Math.floor(Math.random() * 2 ** 31);
    const random = generator(seed);
    for (let round = 0; round < 2000; round += 1) {
      const uses = Array.from({ length: 1 + random(3) }, (_, index) => {
        const matching = random(40);
        const max = random(2) === 0 ? share(random(101)) : { maxUnavailable: random(6) };
        return use(random(matching + 1), matching, { name: `b${index}`, ...max });
      });
      const hasRoom = uses.every(
        ({ budget: one, matching, others }) => others + 1 <= budgetLimit(one, matching),
      );
      const { kind } = judgeBudgets('t', uses);
      if ((kind === 'grant') !== hasRoom) throw new Error(`seed ${seed}: ${JSON.stringify(uses)}`);
    }
  });
});

function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return (state >>> 8) % below;
  };
}
