import { expect, test } from '@jest/globals';
import { stringify } from 'yaml';
import type { ConfigurationError } from './configuration.ts';
import { parseConfiguration } from './parse-configuration.ts';

const surroundings = {
  file: 'sluice.config.yaml',
  folder: '/etc/sluice',
  policies: ['release-gate'],
};

const target = (name: string) => ({
  name,
  environment: 'prod',
  kind: 'linux-host',
  address: '127.0.0.1',
  health: { path: '/healthz', port: 8080 },
});

const valid = () => ({
  schema: 'sluice.config/v1',
  tenant: 'acme',
  environments: [{ name: 'prod', position: 1, policy: 'release-gate' } as object],
  targets: [target('prod-1'), target('prod-2')],
  routers: [
    { name: 'prod-proxy', environment: 'prod', kind: 'haproxy', backend: 'web' } as Record<
      string,
      unknown
    >,
  ],
  budgets: [
    { name: 'web', labels: { tier: 'web' }, maxUnavailable: 2 } as Record<string, unknown>,
    { name: 'all', labels: {}, maxUnavailable: '25%' },
  ],
});

type Draft = ReturnType<typeof valid>;

function problemsOf(change: (draft: Draft) => void): readonly string[] {
  const draft = valid();
  change(draft);
  try {
    parseConfiguration(stringify(draft), surroundings);
  } catch (error) {
    return (error as ConfigurationError).problems.map(({ path }) => path);
  }
  return [];
}

test('a router is a target that no release is put on; a budget says a number or a share', () => {
  const { routers, budgets, targets } = parseConfiguration(stringify(valid()), surroundings);
  expect(targets.map(({ name }) => name)).toEqual(['prod-1', 'prod-2']);
  expect(routers).toMatchObject([
    {
      name: 'prod-proxy',
      environment: 'prod',
      kind: 'haproxy',
      address: '',
      labels: {},
      settings: { backend: 'web' },
    },
  ]);
  expect(budgets).toEqual([
    { name: 'web', selector: { tier: 'web' }, maxUnavailable: 2, maxUnavailablePercent: null },
    { name: 'all', selector: {}, maxUnavailable: null, maxUnavailablePercent: 25 },
  ]);
});

test('a file without them has none', () => {
  const text = 'schema: sluice.config/v1\ntenant: acme\n';
  expect(parseConfiguration(text, surroundings)).toMatchObject({ routers: [], budgets: [] });
});

const router = (draft: Draft) => draft.routers[0] as Record<string, unknown>;
const budget = (draft: Draft) => draft.budgets[0] as Record<string, unknown>;

const wrong: readonly (readonly [string, readonly string[], (draft: Draft) => void])[] = [
  ['a router of an unknown kind', ['routers[0].kind'], (d) => (router(d)['kind'] = 'linux-host')],
  [
    'a router in a foreign environment',
    ['routers[0].environment'],
    (d) => (router(d)['environment'] = 'dev'),
  ],
  ['a router without a backend', ['routers[0].backend'], (d) => delete router(d)['backend']],
  [
    'a backend that could mean more',
    ['routers[0].backend'],
    (d) => (router(d)['backend'] = 'a b; c'),
  ],
  ['a router with an address', ['routers[0].address'], (d) => (router(d)['address'] = '127.0.0.1')],
  ['a router twice', ['routers[1].name'], (d) => d.routers.push({ ...router(d) })],
  ["a router with a target's name", ['routers[0].name'], (d) => (router(d)['name'] = 'prod-2')],
  ['routers that are no list', ['routers'], (d) => (d.routers = 'x' as never)],
  ['a target of a router kind', ['targets[0].kind'], (d) => (d.targets[0]!.kind = 'haproxy')],
  ['a budget without labels', ['budgets[0].labels'], (d) => delete budget(d)['labels']],
  [
    'a label that is a number',
    ['budgets[0].labels.tier'],
    (d) => (budget(d)['labels'] = { tier: 1 }),
  ],
  [
    'more labels than a selector has',
    ['budgets[0].labels'],
    (d) => {
      budget(d)['labels'] = Object.fromEntries(
        Array.from({ length: 21 }, (_, n) => [`l${n}`, 'x']),
      );
    },
  ],
  [
    'a budget without a limit',
    ['budgets[0].maxUnavailable'],
    (d) => delete budget(d)['maxUnavailable'],
  ],
  ...['-1', '101%', '2.5%', '25 %', '007%', '', '%', 'many'].map(
    (limit) =>
      [
        `a limit of "${limit}"`,
        ['budgets[0].maxUnavailable'],
        (d: Draft) => (budget(d)['maxUnavailable'] = limit),
      ] as const,
  ),
  ...[-1, 0.5, 1e9, null].map(
    (limit) =>
      [
        `a limit of ${limit}`,
        ['budgets[0].maxUnavailable'],
        (d: Draft) => (budget(d)['maxUnavailable'] = limit),
      ] as const,
  ),
  ['a budget twice', ['budgets[1].name'], (d) => (d.budgets[1]!['name'] = 'web')],
  ['an unknown key of a budget', ['budgets[0].selector'], (d) => (budget(d)['selector'] = {})],
  [
    'several at once',
    ['routers[0].kind', 'routers[0].backend', 'budgets[0].name', 'budgets[0].maxUnavailable'],
    (d) => {
      Object.assign(router(d), { kind: 'iis', backend: 7 });
      Object.assign(budget(d), { name: 'Web', maxUnavailable: [] });
    },
  ],
];

test.each(wrong)('%s is refused at %j', (_what, paths, change) => {
  expect(problemsOf(change)).toEqual(paths);
});

test('an environment may say how its releases are watched, defaults filled in', () => {
  const draft = valid();
  const watch = { seconds: 600, probes: {}, onAlarm: 'rollback' };
  draft.environments = [{ ...draft.environments[0], watch }];
  const { environments } = parseConfiguration(stringify(draft), surroundings);
  expect(environments[0]?.watch).toEqual({
    ...watch,
    everySeconds: 30,
    probes: { failures: 3 },
    burnRate: null,
  });
  expect(parseConfiguration(stringify(valid()), surroundings).environments[0]?.watch).toBeNull();
});

test('a problem of a watch stands at its place, that of an unknown key at its name', () => {
  const text = [
    'schema: sluice.config/v1',
    'tenant: acme',
    'environments:',
    '  - name: prod',
    '    position: 1',
    '    policy: release-gate',
    '    watch:',
    '      seconds: 5',
    '      onAlarm: cry',
    '      probes: {count: 3}',
    '      burnRate: {objective: 0.99, windows: [{longSeconds: 60, shortSeconds: 90, factor: 2}]}',
  ].join('\n');
  let problems: ConfigurationError['problems'] = [];
  try {
    parseConfiguration(text, surroundings);
  } catch (error) {
    ({ problems } = error as ConfigurationError);
  }
  const at = 'environments[0].watch.';
  expect(problems.map(({ path, at: place }) => [path, place?.line, place?.column])).toEqual([
    [`${at}seconds`, 8, 16],
    [`${at}probes.count`, 10, 16],
    [`${at}burnRate.windows[0].shortSeconds`, 11, 77],
    [`${at}onAlarm`, 9, 16],
  ]);
});

test('a problem is told with its line and column', () => {
  const text = [
    'schema: sluice.config/v1',
    'tenant: acme',
    'environments: [{name: prod, position: 1, policy: release-gate}]',
    'routers:',
    '  - name: proxy',
    '    environment: prod',
    '    kind: iis',
    '    backend: web',
    'budgets:',
    '  - {name: web, labels: {}, maxUnavailable: 120%}',
  ].join('\n');
  expect(() => parseConfiguration(text, surroundings)).toThrow(
    'sluice.config.yaml has 2 problem(s):\n' +
      '  7:11 routers[0].kind: is "iis"; write haproxy, nginx, caddy, traefik\n' +
      '  10:45 budgets[0].maxUnavailable: is "120%"; write a whole number, or "0%" to "100%"',
  );
});
