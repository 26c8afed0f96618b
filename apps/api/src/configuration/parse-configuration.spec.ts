import { expect, test } from '@jest/globals';
import { DEFAULT_AGENT_SETTINGS, DEFAULT_DEADLINES } from '@sluice/domain';
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

test('a file may say nothing but its tenant', () => {
  const text = 'schema: sluice.config/v1\ntenant: acme\n';
  expect(parseConfiguration(text, surroundings).environments).toEqual([]);
});

const wrong: readonly (readonly [string, string, (draft: Draft) => void])[] = [
  ['another schema', 'schema', (d) => (d.schema = 'sluice.config/v9')],
  ['a tenant that is no label', 'tenant', (d) => (d.tenant = 'Acme Inc')],
  ['an unknown key', 'extra', (d) => (d['extra'] = 1)],
  ['sources that are no list', 'sources', (d) => (d.sources = 'x' as never)],
  ['a source of an unknown kind', 'sources[0].kind', (d) => (d.sources[0]!.kind = 'git')],
  ['a source without a path', 'sources[0].path', (d) => (d.sources[0]!.path = null as never)],
  ['a source twice', 'sources[1].name', (d) => d.sources.push({ ...d.sources[0]! })],
  ['a fraction', 'environments[0].position', (d) => (d.environments[0]!.position = 1.5)],
  ['an unknown pipeline', 'environments[0].pipeline', (d) => (d.environments[0]!.pipeline = 'x')],
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
  ['agents that go offline before stale', 'agents', (d) => (d['agents'] = { staleSeconds: 90 })],
];

test.each(wrong)('%s is refused at %s', (_what, path, change) => {
  expect(problemsOf(change)).toContain(path);
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

test('text that is no YAML, or names a key twice, is refused', () => {
  expect(() => parseConfiguration('a: [', surroundings)).toThrow('problem(s)');
  expect(() => parseConfiguration('tenant: a\ntenant: b', surroundings)).toThrow('problem(s)');
});
