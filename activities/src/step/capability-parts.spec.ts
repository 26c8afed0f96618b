import { expect, test } from '@jest/globals';
import { STEP_CAPABILITIES, type StepTypes } from '@sluice/domain';
import { createLogger } from '@sluice/observability';
import { BUILT_IN_STEP_TYPES } from '@sluice/pipeline';
import { listStepTypes } from '../create-activities.ts';
import type { ActivityDependencies } from '../dependencies.ts';
import { createFakeScope, createInMemorySigner } from '../testing/index.ts';
import { partsForStep } from './capability-parts.ts';

const signer = createInMemorySigner();
/** Each port is a word: what a type got hold of can be seen. */
const parts = {
  ...Object.fromEntries(
    [
      'pool',
      'evidence',
      'scanner',
      'decisions',
      'nix',
      'outbound',
      'channels',
      'secrets',
      'sandbox',
      'fetchUrl',
    ].map((name) => [name, name]),
  ),
  signer,
  logger: createLogger({ service: 'test', level: 'silent' }),
  scope: () => createFakeScope(),
} as unknown as ActivityDependencies;

const REACHES = [
  'pool',
  'evidence',
  'signer',
  'scanner',
  'decisions',
  'nix',
  'outbound',
  'channels',
  'secrets',
  'sandbox',
  'fetchUrl',
  'ownsEvidence',
] as const;

function typesWith(capabilities: readonly (typeof STEP_CAPABILITIES)[number][]): StepTypes {
  const noop = BUILT_IN_STEP_TYPES.get('noop@1');
  if (noop === undefined) throw new Error('No noop@1.');
  return new Map([['mine@1', { ...noop, type: 'mine', capabilities }]]);
}

const reachOf = (capabilities: readonly (typeof STEP_CAPABILITIES)[number][]): string[] => {
  const handed = partsForStep(parts, 'mine@1', typesWith(capabilities));
  return REACHES.filter((name) => {
    try {
      return handed[name] !== undefined;
    } catch {
      return false;
    }
  });
};

test('a type without capabilities reaches nothing, and is told what it lacks', () => {
  expect(reachOf([])).toEqual([]);
  const handed = partsForStep(parts, 'mine@1', typesWith(['evidence']));
  expect(() => handed.pool).toThrow(
    'Step type mine@1 is not given pool: its manifest names none of records.',
  );
  expect(() => handed.secrets).toThrow(/secrets/);
  expect(() => ({ ...handed }).secrets).not.toThrow();
  expect(({ ...handed } as Partial<ActivityDependencies>).secrets).toBeUndefined();
});

test.each([
  [['records'], ['pool', 'signer']],
  [['evidence'], ['evidence', 'ownsEvidence']],
  [['scanner'], ['scanner']],
  [['policy'], ['decisions']],
  [['agents'], ['signer']],
  [['nix'], ['nix']],
  [['sandbox'], ['sandbox']],
  [['network'], ['outbound', 'channels', 'fetchUrl']],
  [['secrets'], ['secrets']],
  [['releases'], []],
] as const)('%j hands over %j and nothing else', (capabilities, reaches) => {
  expect(reachOf(capabilities)).toEqual(reaches);
});

test('every capability is spoken of above', () => {
  expect([...STEP_CAPABILITIES].sort()).toEqual(
    [
      'records',
      'evidence',
      'scanner',
      'policy',
      'agents',
      'nix',
      'sandbox',
      'network',
      'secrets',
      'releases',
    ].sort(),
  );
});

test('with records alone the signer signs no command to an agent', async () => {
  const { signer: forRecords } = partsForStep(parts, 'mine@1', typesWith(['records']));
  expect(() => forRecords.signCommand({} as never)).toThrow(/not given signer/);
  expect(() => forRecords.signHistory({} as never)).toThrow(/not given signer/);
  const { signer: forAgents } = partsForStep(parts, 'mine@1', typesWith(['agents']));
  await forAgents.signCommand({ tenantId: 'acme' } as never);
  expect(signer.commands).toHaveLength(1);
});

test('every built-in type that runs as an activity is built of its own parts alone', () => {
  const built = listStepTypes(parts).map(({ type, version }) => `${type}@${version}`);
  const activities = [...BUILT_IN_STEP_TYPES].filter(([, { kind }]) => kind === 'activity');
  expect(built.sort()).toEqual(activities.map(([name]) => name).sort());
  expect(() => partsForStep(parts, 'unknown@1', BUILT_IN_STEP_TYPES)).toThrow(/no manifest/);
});
