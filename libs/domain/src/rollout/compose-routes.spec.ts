import { expect, test } from '@jest/globals';
import type { RouteServer, RouteTable } from '../route-table.ts';
import {
  composeRoutes,
  type RouteParts,
  type RoutePlace,
  STICKY_COOKIE,
} from './compose-routes.ts';
import { layOutRollout } from './lay-out-rollout.ts';
import type { RolloutInputs } from './rollout-inputs.ts';

const server = (name: string): RouteServer => ({
  name,
  address: '10.0.0.1',
  port: 8000 + name.charCodeAt(0),
});

function parts(
  inputs: RolloutInputs,
  names: readonly string[],
  others: readonly string[] = [],
): Omit<RouteParts, 'place'> {
  const laidOut = layOutRollout(
    inputs,
    [...names, ...others].map((name) => ({
      name,
      labels: { group: names.includes(name) ? 'green' : 'blue' },
    })),
    others,
  );
  if (!laidOut.ok) throw new Error(JSON.stringify(laidOut.problems));
  return {
    layout: laidOut.layout,
    members: laidOut.order.map(server),
    others: others.map(server),
    before: null,
    backend: 'web',
    match: inputs.strategy === 'ab' ? [{ cookie: { name: 'beta', value: 'yes' } }] : [],
  };
}

/** `stable | canary permille`. */
const told = ({ pools, canaryPermille, match }: RouteTable): string => {
  const names = (pool: readonly RouteServer[]): string => pool.map(({ name }) => name).join('');
  return `${names(pools.stable)}|${names(pools.canary)} ${canaryPermille}${match.length > 0 ? ' match' : ''}`;
};

const at = (of: Omit<RouteParts, 'place'>, place: RoutePlace): string =>
  told(composeRoutes({ ...of, place }));

test('a canary: who is deployed to is asked by nobody, the others take the shares', () => {
  const of = parts(
    {
      strategy: 'canary',
      router: 'edge',
      waves: [{ targets: 1, share: 5 }, { targets: 2, share: 25 }, {}],
    },
    ['a', 'b', 'c', 'd'],
  );
  expect(at(of, { kind: 'prepare', stage: 0 })).toBe('bcd| 0');
  expect(at(of, { kind: 'stage', stage: 0 })).toBe('bcd|a 50');
  expect(at(of, { kind: 'prepare', stage: 1 })).toBe('cd|a 50');
  expect(at(of, { kind: 'stage', stage: 1 })).toBe('cd|ab 250');
  // Nobody would stand in for the last ones, and all of them leave at once.
  expect(at(of, { kind: 'prepare', stage: 2 })).toBe('cd|ab 1000');
  expect(at(of, { kind: 'stage', stage: 2 })).toBe('abcd| 0');
  expect(at(of, { kind: 'final' })).toBe('abcd| 0');
  expect(at(of, { kind: 'off', exposed: 2 })).toBe('cd|ab 0');
  expect(at(of, { kind: 'off', exposed: 4 })).toBe('abcd| 0');
  expect(at(of, { kind: 'restore' })).toBe('abcd| 0');
  expect(() => at(of, { kind: 'stage', stage: 3 })).toThrow(RangeError);
});

test('restore is what was before', () => {
  const of = parts({ strategy: 'canary', router: 'edge' }, ['a', 'b']);
  const before = composeRoutes({ ...of, place: { kind: 'off', exposed: 1 } });
  expect(composeRoutes({ ...of, before, place: { kind: 'restore' } })).toEqual(before);
});

test('blue and green: nothing before the switch, all after it, and the old group stands by', () => {
  const of = parts(
    { strategy: 'blue-green', router: 'edge', groupLabel: 'group' },
    ['c', 'd'],
    ['a', 'b'],
  );
  expect(at(of, { kind: 'prepare', stage: 0 })).toBe('ab| 0');
  expect(at(of, { kind: 'stage', stage: 0 })).toBe('ab|cd 0');
  expect(at(of, { kind: 'stage', stage: 1 })).toBe('ab|cd 1000');
  expect(at(of, { kind: 'final' })).toBe('cd| 0');
  expect(at(of, { kind: 'off', exposed: 1 })).toBe('ab|cd 0');
  expect(at(of, { kind: 'restore' })).toBe('ab| 0');
});

test('an experiment: who fits sees it, and nobody before it is deployed', () => {
  const of = parts(
    { strategy: 'ab', router: 'edge', match: [{ cookie: { name: 'beta', value: 'yes' } }] },
    ['a', 'b'],
  );
  expect(at(of, { kind: 'prepare', stage: 0 })).toBe('b| 0');
  expect(at(of, { kind: 'stage', stage: 0 })).toBe('b|a 0 match');
  expect(at(of, { kind: 'off', exposed: 1 })).toBe('b|a 0');
  expect(at(of, { kind: 'final' })).toBe('ab| 0');
});

test('an experiment by share: visitors keep their draw, and once all have it there is none', () => {
  const of = {
    ...parts({ strategy: 'ab', router: 'edge', waves: [{ targets: 1, share: 12.5 }] }, [
      'a',
      'b',
      'c',
    ]),
    match: [],
  };
  const during = composeRoutes({ ...of, place: { kind: 'stage', stage: 0 } });
  expect(told(during)).toBe('bc|a 125');
  expect(during.sticky).toEqual({ cookie: STICKY_COOKIE });
  const final = composeRoutes({ ...of, place: { kind: 'final' } });
  expect(told(final)).toBe('abc| 0');
  expect(final.sticky).toBeUndefined();
});
