import { describe, expect, test } from '@jest/globals';
import { composeRouteTable, findRouteTableProblem, type RouteTable } from './route-table.ts';

const server = (name: string, port = 80) => ({ name, address: `10.0.0.${port % 250}`, port });
const table = composeRouteTable({
  backend: 'shop',
  pools: { stable: [server('web-2', 2), server('web-1', 1)], canary: [server('web-3', 3)] },
  canaryPermille: 50,
  match: [{ header: { name: 'X-Beta', value: 'yes' } }, { cookie: { name: 'Beta', value: '1' } }],
  sticky: { cookie: 'visit' },
});

test('a table is composed into one form', () => {
  expect(findRouteTableProblem(table)).toBeUndefined();
  expect(table.pools.stable.map(({ name }) => name)).toEqual(['web-1', 'web-2']);
  expect(table.match[0]).toEqual({ header: { name: 'x-beta', value: 'yes' } });
  expect(findRouteTableProblem({ ...table, schema: 'sluice.route-table/v2' })).toMatch(/schema/);
  expect(findRouteTableProblem(null)).toMatch(/not an object/);
});

describe('a problem is named', () => {
  const pools = (stable: unknown, canary: unknown) => ({ pools: { stable, canary } });
  const one = [server('web-1', 1)];
  const cases: [string, object, RegExp][] = [
    ['an unknown field', { color: 'red' }, /unknown field "color"/],
    ['a backend that is no name', { backend: 'a b' }, /backend/],
    ['a share that is none', { canaryPermille: 1001 }, /canaryPermille/],
    ['a broken share', { canaryPermille: 0.5 }, /canaryPermille/],
    ['a pool that is missing', { pools: { stable: one } }, /pools.canary is not a list/],
    ['a third pool', { pools: { stable: one, canary: [], red: [] } }, /exactly/],
    ['servers out of order', pools([server('b', 1), server('a', 2)], one), /not sorted/],
    ['a name twice', pools(one, [server('web-1', 9)]), /web-1 stands in the pools twice/],
    ['an address twice', pools(one, [{ ...server('x', 1) }]), /10.0.0.1 port 1 stands/],
    ['a field too many', pools(one, [{ ...server('x', 9), weight: 5 }]), /exactly name, address/],
    ['a port that is none', pools(one, [{ ...server('x'), port: 65_536 }]), /port/],
    ['a share for nobody', { ...pools(one, []), match: [] }, /canary pool, and it has no server/],
    ['the rest for nobody', { ...pools([], one) }, /950 ‰ of the requests go to the stable pool/],
    ['a match for nobody', { ...pools(one, []), canaryPermille: 0 }, /fit a match/],
    ['a match of two', { match: [{ header: {}, cookie: {} }] }, /exactly one/],
    ['a match twice', { match: [table.match[0], table.match[0]] }, /says the same/],
    ['eleven matches', { match: Array(11).fill(table.match[0]) }, /at most 10/],
    ['one cookie for two things', { sticky: { cookie: 'Beta' } }, /of a match, too/],
    ['too many servers', pools(Array(1001).fill(server('x')), one), /at most 1000/],
  ];
  test.each(cases)('%s', (_, part, problem) => {
    expect(findRouteTableProblem({ ...table, ...part })).toMatch(problem);
  });
});

describe('nothing that a proxy could read as more than itself', () => {
  const bad = [
    '',
    ' ',
    'a b',
    'a\nb',
    'a;b',
    'a{b',
    '"',
    "'",
    '$x',
    'a#b',
    '`',
    '\\',
    'é',
    '%[src]',
  ];
  test.each(bad)('%j is no name, value or address', (text) => {
    const problems = [
      { match: [{ header: { name: text, value: 'x' } }] },
      { match: [{ header: { name: 'x', value: text } }] },
      { match: [{ cookie: { name: text, value: 'x' } }] },
      { match: [{ cookie: { name: 'x', value: text } }] },
      { sticky: { cookie: text } },
      { backend: text },
      { pools: { ...table.pools, canary: [{ ...server('x', 9), address: text }] } },
      { pools: { ...table.pools, canary: [{ ...server('x', 9), name: text }] } },
    ].map((part) => findRouteTableProblem({ ...table, ...part }));
    for (const problem of problems) expect(problem).toBeDefined();
  });
});

describe('addresses', () => {
  const problemOf = (address: string) => {
    const pools: RouteTable['pools'] = { ...table.pools, canary: [{ ...server('x', 9), address }] };
    return findRouteTableProblem({ ...table, pools });
  };
  test.each(['127.0.0.1', '::1', 'fd00::1:2', '1:2:3:4:5:6:7:8', 'web', 'web-1.example.org'])(
    '%s is one',
    (address) => expect(problemOf(address)).toBeUndefined(),
  );
  test.each([
    '256.0.0.1',
    '1.2.3',
    '1.2.3.4.',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7:8:9',
    '[::1]',
    'Web',
  ])('%s is none', (address) => expect(problemOf(address)).toMatch(/address/));
});
