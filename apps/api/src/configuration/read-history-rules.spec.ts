import { expect, test } from '@jest/globals';
import { readHistoryRules } from './read-history-rules.ts';
import { ValueReader } from './value-reader.ts';

function read(value: unknown) {
  const reader = new ValueReader();
  const rules = readHistoryRules(reader, value);
  return { rules, problems: reader.problems.map(({ path }) => path) };
}

test('no rule keeps for ever', () => {
  expect(read(undefined)).toEqual({ rules: [], problems: [] });
});

test('rules are read in their order', () => {
  const rules = [
    { environments: ['prod'], states: ['failed', 'reverted'], days: 3650 },
    { states: ['cancelled'], days: 7 },
    { days: 90 },
  ];
  expect(read(rules)).toEqual({ rules, problems: [] });
});

test.each<[unknown, string]>([
  ['90 days', 'histories'],
  [[{}], 'histories[0].days'],
  [[{ days: 0 }], 'histories[0].days'],
  [[{ days: 1.5 }], 'histories[0].days'],
  [[{ days: 40_000 }], 'histories[0].days'],
  [[{ days: 1, environments: [] }], 'histories[0].environments'],
  [[{ days: 1, environments: 'prod' }], 'histories[0].environments'],
  [[{ days: 1, environments: ['Prod'] }], 'histories[0].environments[0]'],
  [[{ days: 1, environments: ['dev', 'dev'] }], 'histories[0].environments[1]'],
  [[{ days: 1, states: ['running'] }], 'histories[0].states[0]'],
  [[{ days: 1, state: 'failed' }], 'histories[0].state'],
])('%j is refused at its place', (value, path) => {
  expect(read(value).problems).toEqual([path]);
});
