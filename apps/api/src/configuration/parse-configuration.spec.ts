import { expect, test } from '@jest/globals';
import {
  DEFAULT_AGENT_SETTINGS,
  DEFAULT_APPROVAL_RULE,
  DEFAULT_DEADLINES,
  DEFAULT_ROLLBACK_ROLES,
} from '@sluice/domain';
import { stringify } from 'yaml';
import type { ConfigurationError } from './configuration.ts';
import { parseConfiguration } from './parse-configuration.ts';

const surroundings = {
  file: 'sluice.config.yaml',
  folder: '/etc/sluice',
  policies: ['release-gate'],
};
const hash = (digit: string): string => `sha256:${digit.repeat(64)}`;

const valid = () => ({
  schema: 'sluice.config/v1',
  tenant: 'acme',
  sources: [{ name: 'images', kind: 'oci-layout', path: 'sources/images' }],
  environments: [
    {
      name: 'dev',
      position: 1,
      pipeline: 'standard',
      policy: 'release-gate',
      deadlines: { deploySeconds: 30 },
    },
  ],
  targets: [
    {
      name: 'dev-host',
      environment: 'dev',
      kind: 'linux-host',
      address: '127.0.0.1',
      labels: { zone: 'a' },
      settings: { GREETING: 'hello', TOKEN: { secret: 'token' } },
      health: { path: '/healthz', port: 8080 },
    },
  ],
  principals: [{ name: 'maya', role: 'release-manager', tokenHash: hash('a') }],
  enrolment: { keyFile: 'keys/enrolment' },
});

const environment = (name: string, more: object = {}) => ({
  ...valid().environments[0],
  name,
  ...more,
});

type Draft = ReturnType<typeof valid> & Record<string, unknown>;

function problemsOf(change: (draft: Draft) => void): readonly string[] {
  const draft = valid() as Draft;
  change(draft);
  try {
    parseConfiguration(stringify(draft), surroundings);
  } catch (error) {
    return (error as ConfigurationError).problems.map(({ path }) => path);
  }
  return [];
}

test('a valid file gives every value, defaults filled in and paths resolved beside it', () => {
  const configuration = parseConfiguration(stringify(valid()), surroundings);
  expect(configuration.sources[0]?.location).toBe('/etc/sluice/sources/images');
  expect(configuration.enrolmentKeyFile).toBe('/etc/sluice/keys/enrolment');
  expect(configuration.environments[0]?.deadlines).toEqual({
    ...DEFAULT_DEADLINES,
    deploySeconds: 30,
  });
  expect(configuration.agents).toEqual(DEFAULT_AGENT_SETTINGS);
  expect(configuration.targets[0]?.health).toEqual({
    path: '/healthz',
    port: 8080,
    intervalMs: 500,
    timeoutMs: 2000,
    successes: 2,
    failures: 20,
  });
});

test('an environment that says no more comes first, asks nobody, and admins roll it back', () => {
  const draft = valid() as Draft;
  delete (draft.environments[0] as { pipeline?: string }).pipeline;
  expect(parseConfiguration(stringify(draft), surroundings).environments[0]).toMatchObject({
    pipeline: 'standard',
    predecessors: [],
    approval: null,
    rollbackRoles: DEFAULT_ROLLBACK_ROLES,
  });
});

test('an environment comes after those it names, else after the one with the next lower position', () => {
  const draft = valid() as Draft;
  draft.environments = [
    environment('prod', { position: 40 }),
    environment('load', { position: 25, after: [] }),
    environment('dev', { position: 1 }),
    environment('test', { position: 20 }),
    environment('last', { position: 50, after: ['prod', 'load'] }),
  ] as never;
  const { environments } = parseConfiguration(stringify(draft), surroundings);
  expect(environments.map(({ name, predecessors }) => [name, predecessors])).toEqual([
    ['prod', ['load']],
    ['load', []],
    ['dev', []],
    ['test', ['dev']],
    ['last', ['load', 'prod']],
  ]);
});

test('an approval rule is filled in where the pipeline asks, and kept where it is given', () => {
  const draft = valid() as Draft;
  draft.environments = [
    environment('dev', { pipeline: 'approved' }),
    environment('prod', {
      position: 2,
      pipeline: 'approved',
      approval: { count: 2, roles: ['approver'], deadlineSeconds: 60 },
      rollback: { roles: ['release-manager', 'admin'] },
    }),
  ] as never;
  const { environments } = parseConfiguration(stringify(draft), surroundings);
  expect(environments[0]?.approval).toEqual(DEFAULT_APPROVAL_RULE);
  expect(environments[1]).toMatchObject({
    approval: { count: 2, roles: ['approver'], deadlineSeconds: 60 },
    rollbackRoles: ['admin', 'release-manager'],
  });
});

test('a person may have several tokens, a service account has a person behind it', () => {
  const draft = valid() as Draft;
  draft.principals = [
    { name: 'maya', role: 'release-manager', tokenHashes: [hash('a'), hash('b')] },
    { name: 'ci', role: 'release-manager', kind: 'service', owner: 'maya', tokenHash: hash('c') },
  ] as never;
  expect(parseConfiguration(stringify(draft), surroundings).principals).toEqual([
    {
      name: 'maya',
      role: 'release-manager',
      kind: 'person',
      owner: null,
      tokenHashes: [hash('a'), hash('b')],
    },
    {
      name: 'ci',
      role: 'release-manager',
      kind: 'service',
      owner: 'maya',
      tokenHashes: [hash('c')],
    },
  ]);
});

test('a file may say nothing but its tenant', () => {
  const text = 'schema: sluice.config/v1\ntenant: acme\n';
  expect(parseConfiguration(text, surroundings).environments).toEqual([]);
});

type Loose = Record<string, unknown>;

const set = (entry: object | undefined, key: string, value: unknown): void => {
  (entry as Loose)[key] = value;
};
const second = (draft: Draft, more: object): number =>
  draft.environments.push(environment('prod', { position: 2, ...more }) as never);
const approved = (approval: unknown) => ({ pipeline: 'approved', approval });
const tokens = (tokenHashes: unknown) => ({ name: 'maya', role: 'admin', tokenHashes }) as never;
const service = (name: string, owner: string, digit: string) =>
  ({ name, role: 'admin', kind: 'service', owner, tokenHash: hash(digit) }) as never;

const wrong: readonly (readonly [string, string, (draft: Draft) => void])[] = [
  ['another schema', 'schema', (d) => (d.schema = 'sluice.config/v9')],
  ['a tenant that is no label', 'tenant', (d) => (d.tenant = 'Acme Inc')],
  ['an unknown key', 'extra', (d) => (d['extra'] = 1)],
  ['sources that are no list', 'sources', (d) => (d.sources = 'x' as never)],
  ['a source of an unknown kind', 'sources[0].kind', (d) => (d.sources[0]!.kind = 'git')],
  ['a source without a path', 'sources[0].path', (d) => (d.sources[0]!.path = null as never)],
  ['a source twice', 'sources[1].name', (d) => d.sources.push({ ...d.sources[0]! })],
  ['a fraction', 'environments[0].position', (d) => (d.environments[0]!.position = 1.5)],
  ['an unknown pipeline', 'environments[0].pipeline', (d) => (d.environments[0]!.pipeline = 'x y')],
  ['an unknown policy', 'environments[0].policy', (d) => (d.environments[0]!.policy = 'x')],
  [
    'a deadline of nothing',
    'environments[0].deadlines.deploySeconds',
    (d) => (d.environments[0]!.deadlines.deploySeconds = 0),
  ],
  [
    'an unknown deadline',
    'environments[0].deadlines.sleepSeconds',
    (d) => (d.environments[0]!.deadlines = { sleepSeconds: 1 } as never),
  ],
  [
    'two environments in one place',
    'environments[1].position',
    (d) => d.environments.push({ ...d.environments[0]!, name: 'test' }),
  ],
  ['a foreign environment', 'targets[0].environment', (d) => (d.targets[0]!.environment = 'prod')],
  ['an address with a port', 'targets[0].address', (d) => (d.targets[0]!.address = 'http://x/')],
  ['a number as label', 'targets[0].labels.zone', (d) => (d.targets[0]!.labels.zone = 1 as never)],
  [
    'a setting that no environment variable can be',
    'targets[0].settings.not a name',
    (d) => (d.targets[0]!.settings = { 'not a name': 'x' } as never),
  ],
  [
    'a setting that is a number',
    'targets[0].settings.GREETING',
    (d) => (d.targets[0]!.settings.GREETING = 5 as never),
  ],
  [
    'a secret with more than its name',
    'targets[0].settings.TOKEN.value',
    (d) => (d.targets[0]!.settings.TOKEN = { secret: 'a', value: 'b' } as never),
  ],
  ['no health probe', 'targets[0].health', (d) => (d.targets[0]!.health = undefined as never)],
  ['a port out of range', 'targets[0].health.port', (d) => (d.targets[0]!.health.port = 70000)],
  ['an unknown role', 'principals[0].role', (d) => (d.principals[0]!.role = 'root')],
  ['a token itself', 'principals[0].tokenHash', (d) => (d.principals[0]!.tokenHash = 'hunter2')],
  [
    'one token for two',
    'principals[1].tokenHash',
    (d) => d.principals.push({ ...d.principals[0]!, name: 'otto' }),
  ],
  ['no token', 'principals[0].tokenHash', (d) => delete (d.principals[0] as Loose)['tokenHash']],
  [
    'two ways to name tokens',
    'principals[0].tokenHash',
    (d) => set(d.principals[0], 'tokenHashes', [hash('b')]),
  ],
  ['an empty list of tokens', 'principals[0].tokenHashes', (d) => (d.principals[0] = tokens([]))],
  [
    'a wrong token in a list',
    'principals[0].tokenHashes[1]',
    (d) => (d.principals[0] = tokens([hash('b'), 'x'])),
  ],
  [
    'a token twice in a list',
    'principals[0].tokenHashes[1]',
    (d) => (d.principals[0] = tokens([hash('b'), hash('b')])),
  ],
  [
    'tokens that are no list',
    'principals[0].tokenHashes',
    (d) => (d.principals[0] = tokens(hash('b'))),
  ],
  [
    'a kind of principal that is none',
    'principals[0].kind',
    (d) => set(d.principals[0], 'kind', 'robot'),
  ],
  ['an empty kind of principal', 'principals[0].kind', (d) => set(d.principals[0], 'kind', null)],
  [
    'a service account of nobody',
    'principals[0].owner',
    (d) => set(d.principals[0], 'kind', 'service'),
  ],
  ['a person with an owner', 'principals[0].owner', (d) => set(d.principals[0], 'owner', 'otto')],
  ['an unknown owner', 'principals[1].owner', (d) => d.principals.push(service('ci', 'otto', 'b'))],
  [
    'an owner that is a service account',
    'principals[2].owner',
    (d) => d.principals.push(service('ci', 'maya', 'b'), service('bot', 'ci', 'c')),
  ],
  [
    'a service account that owns itself',
    'principals[1].owner',
    (d) => d.principals.push(service('ci', 'ci', 'b')),
  ],
  [
    'an empty pipeline',
    'environments[0].pipeline',
    (d) => set(d.environments[0], 'pipeline', null),
  ],
  [
    'the pipeline of rollbacks',
    'environments[0].pipeline',
    (d) => set(d.environments[0], 'pipeline', 'rollback'),
  ],
  [
    'a predecessor that is no list',
    'environments[0].after',
    (d) => set(d.environments[0], 'after', 'dev'),
  ],
  ['an empty predecessor', 'environments[0].after', (d) => set(d.environments[0], 'after', null)],
  [
    'a predecessor that is no name',
    'environments[0].after[0]',
    (d) => set(d.environments[0], 'after', [7]),
  ],
  [
    'an unknown predecessor',
    'environments[0].after[0]',
    (d) => set(d.environments[0], 'after', ['x']),
  ],
  [
    'an environment after itself',
    'environments[0].after[0]',
    (d) => set(d.environments[0], 'after', ['dev']),
  ],
  ['a predecessor twice', 'environments[1].after[1]', (d) => second(d, { after: ['dev', 'dev'] })],
  [
    'a circle of two',
    'environments[0].after',
    (d) => [set(d.environments[0], 'after', ['prod']), second(d, {})],
  ],
  [
    'an approval that nobody asks for',
    'environments[0].approval',
    (d) => set(d.environments[0], 'approval', {}),
  ],
  ['an empty approval', 'environments[1].approval', (d) => second(d, approved(null))],
  [
    'an approval by nobody',
    'environments[1].approval.count',
    (d) => second(d, approved({ count: 0 })),
  ],
  [
    'half an approval',
    'environments[1].approval.count',
    (d) => second(d, approved({ count: 1.5 })),
  ],
  [
    'too many approvals',
    'environments[1].approval.count',
    (d) => second(d, approved({ count: 101 })),
  ],
  [
    'an approval without roles',
    'environments[1].approval.roles',
    (d) => second(d, approved({ roles: [] })),
  ],
  [
    'roles that are no list',
    'environments[1].approval.roles',
    (d) => second(d, approved({ roles: 'admin' })),
  ],
  [
    'a role that may not decide',
    'environments[1].approval.roles[0]',
    (d) => second(d, approved({ roles: ['viewer'] })),
  ],
  [
    'a role twice',
    'environments[1].approval.roles[1]',
    (d) => second(d, approved({ roles: ['admin', 'admin'] })),
  ],
  [
    'a deadline of text',
    'environments[1].approval.deadlineSeconds',
    (d) => second(d, approved({ deadlineSeconds: '5' })),
  ],
  [
    'a deadline of years',
    'environments[1].approval.deadlineSeconds',
    (d) => second(d, approved({ deadlineSeconds: 1e8 })),
  ],
  [
    'an unknown key of an approval',
    'environments[1].approval.who',
    (d) => second(d, approved({ who: 'me' })),
  ],
  [
    'rollbacks by text',
    'environments[0].rollback',
    (d) => set(d.environments[0], 'rollback', 'admin'),
  ],
  [
    'rollbacks by nobody',
    'environments[0].rollback.roles',
    (d) => set(d.environments[0], 'rollback', { roles: [] }),
  ],
  [
    'rollbacks by a role that may not',
    'environments[0].rollback.roles[0]',
    (d) => set(d.environments[0], 'rollback', { roles: ['approver'] }),
  ],
  [
    'an unknown key of rollbacks',
    'environments[0].rollback.by',
    (d) => set(d.environments[0], 'rollback', { by: 'me' }),
  ],
  ['agents that go offline before stale', 'agents', (d) => (d['agents'] = { staleSeconds: 90 })],
];

test.each(wrong)('%s is refused at %s', (_what, path, change) => {
  expect(problemsOf(change)).toContain(path);
});

test('a circle is told at each environment in it, and at no other', () => {
  const draft = valid() as Draft;
  draft.environments = [
    environment('dev', { position: 1, after: ['prod'] }),
    environment('test', { position: 2 }),
    environment('prod', { position: 3 }),
    environment('lab', { position: 0, after: [] }),
  ] as never;
  draft.targets = [];
  expect(problemsOf((d) => Object.assign(d, draft))).toEqual([
    'environments[0].after',
    'environments[1].after',
    'environments[2].after',
  ]);
});

test('all problems are told at once, each with what to do', () => {
  const draft = valid() as Draft;
  draft.tenant = '';
  draft.principals[0]!.role = 'root';
  let message = '';
  try {
    parseConfiguration(stringify(draft), surroundings);
  } catch (error) {
    message = (error as Error).message;
  }
  expect(message).toContain('2 problem(s)');
  expect(message).toContain('tenant: is ""; write a DNS label');
  expect(message).toContain('principals[0].role: is "root"; write viewer, release-manager');
});

test('a problem is told with its line and column: of the value, of a name that is unknown, of what misses something', () => {
  const text = [
    'schema: sluice.config/v1',
    'tenant: "No label"',
    'hosts: &host',
    '  kind: linux-host',
    'environments:',
    '  - name: dev',
    '    position: 1',
    '    deadlines: {sleepSeconds: 1}',
    'targets:',
    '  - name: one',
    '    environment: dev',
    '    settings: {"a.b": x, OK: 5}',
    '    labels: {}',
    '    health: {path: /, port: 99999}',
    '    <<: *host',
  ].join('\n');
  let problems: ConfigurationError['problems'] = [];
  try {
    parseConfiguration(text, surroundings);
  } catch (error) {
    ({ problems } = error as ConfigurationError);
    expect((error as Error).message).toContain('\n  2:9 tenant: is "No label"; ');
  }
  const places = problems.map(({ path, at }) => `${path} ${at?.line}:${at?.column}`);
  expect(places).toEqual([
    'hosts 3:1',
    'tenant 2:9',
    'environments[0].policy 6:5',
    'environments[0].deadlines.sleepSeconds 8:17',
    'targets[0].<< 15:5',
    'targets[0].kind 10:5',
    'targets[0].address 10:5',
    'targets[0].settings.a.b 12:23',
    'targets[0].settings.OK 12:30',
    'targets[0].health.port 14:29',
  ]);
});

test('aliases that grow without end are refused', () => {
  const bomb = ['a: &a [x, x, x, x, x, x, x, x, x]']
    .concat(
      Array.from({ length: 9 }, (_, n) => {
        const [to, from] = ['bcdefghij'[n], 'abcdefghi'[n]];
        return `${to}: &${to} [${`*${from}, `.repeat(9)}1]`;
      }),
    )
    .join('\n');
  expect(() => parseConfiguration(bomb, surroundings)).toThrow('its aliases cannot be followed');
});

test('text that is no YAML, or names a key twice, is refused', () => {
  expect(() => parseConfiguration('a: [', surroundings)).toThrow(/problem\(s\):\n {2}1:\d+ /);
  expect(() => parseConfiguration('tenant: a\ntenant: b', surroundings)).toThrow('problem(s)');
});
