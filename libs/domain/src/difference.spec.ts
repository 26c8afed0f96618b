import { expect, test } from '@jest/globals';
import type { Component } from './component.ts';
import { commonSide, compareComponents, compareSettings, planChange } from './difference.ts';
import { compareFindings, type Finding } from './difference-findings.ts';
import { comparePackages, packageRef } from './difference-packages.ts';
import type { PlanSide } from './plan.ts';

const digest = (letter: string) => `sha256:${letter.repeat(64)}`;
const component = (name: string, letter = 'a'): Component => ({
  name,
  kind: 'oci',
  digest: digest(letter),
  version: '1.0.0',
});
const side = (release: string, settings: PlanSide['settings'] = {}): PlanSide => ({
  release: digest(release),
  components: [component('web', release)],
  settings,
});
const packages = (...refs: string[]) =>
  refs.map((ref) => {
    const [name = '', version = ''] = ref.split('@');
    return { name, version };
  });
const finding = (rule: string, place: string, severity = 'HIGH'): Finding => ({
  kind: 'secret',
  rule,
  place,
  severity,
  title: `${rule} found`,
});

test('components are compared by name, all of them, sorted', () => {
  const from = [component('web'), component('gone'), component('same')];
  const to = [component('same'), component('web', 'b'), component('fresh')];
  expect(compareComponents(from, to).map(({ name, change }) => [name, change])).toEqual([
    ['fresh', 'added'],
    ['gone', 'removed'],
    ['same', 'unchanged'],
    ['web', 'changed'],
  ]);
  expect(compareComponents(from, [])[0]).toEqual({
    name: 'gone',
    change: 'removed',
    from: component('gone'),
    to: null,
  });
});

test.each(['kind', 'version'] as const)('another %s of the same digest is a change', (field) => {
  const other = { ...component('web'), [field]: 'nix' } as Component;
  expect(compareComponents([component('web')], [other])[0]?.change).toBe('changed');
});

test('a setting that becomes a secret, or another secret, is a change', () => {
  const changes = compareSettings(
    { A: 'x', B: { secret: 'one' }, C: { secret: 'same' }, D: 'old', E: '' },
    { A: { secret: 'x' }, B: { secret: 'two' }, C: { secret: 'same' }, E: '', F: 'new' },
  );
  expect(changes.map(({ name, change }) => `${name} ${change}`)).toEqual([
    'A changed',
    'B changed',
    'C unchanged',
    'D removed',
    'E unchanged',
    'F added',
  ]);
  expect(changes[1]).toMatchObject({ from: { secret: 'one' }, to: { secret: 'two' } });
});

test('a plan fills, empties, changes or leaves its target', () => {
  expect(planChange({ current: null, desired: side('a') })).toBe('added');
  expect(planChange({ current: side('a'), desired: null })).toBe('removed');
  expect(planChange({ current: side('a'), desired: side('b') })).toBe('changed');
  expect(planChange({ current: side('a'), desired: side('a', { PORT: '1' }) })).toBe('changed');
  expect(planChange({ current: side('a'), desired: side('a') })).toBe('unchanged');
  expect(planChange({ current: null, desired: null })).toBe('unchanged');
});

test('the common side is the one of most targets that have any; the first of equals', () => {
  const sides = [null, null, null, side('b'), side('a'), side('a')];
  expect(commonSide(sides)?.release).toBe(digest('a'));
  expect(commonSide([side('b'), side('a')])?.release).toBe(digest('b'));
  expect(commonSide([null])).toBeNull();
  expect(commonSide([])).toBeNull();
});

test.each([
  ['pkg:npm/%40scope/name@1.0.0', '', '', 'npm/@scope/name', '1.0.0'],
  ['pkg:deb/debian/libc6@2.36?arch=amd64', 'libc6', '2.36-9', 'deb/debian/libc6', '2.36-9'],
  ['pkg:npm/@scope/name', 'name', '', 'npm/@scope/name', ''],
  ['pkg:golang/example.org/m@v1#sub', 'm', '', 'golang/example.org/m', 'v1'],
  ['pkg:npm/bad%zz@1', 'bad', '', 'npm/bad%zz', '1'],
  ['no purl', 'plain', '3', 'plain', '3'],
])('the purl %s is read', (purl, name, version, expectedName, expectedVersion) => {
  expect(packageRef(purl, name, version)).toEqual({
    name: expectedName,
    version: expectedVersion,
  });
});

test('without purl and name there is no package', () => {
  expect(packageRef(undefined, '', '1')).toBeUndefined();
});

test('versions of a package are sets: what is on one side only is paired, the rest came or went', () => {
  const changes = comparePackages(
    packages('ms@2.0.0', 'ms@2.1.0', 'ms@2.1.0', 'zlib@1', 'old@1', 'same@1'),
    packages('ms@2.1.0', 'ms@2.2.0', 'ms@3.0.0', 'zlib@1', 'same@1', 'same@1'),
  );
  expect(changes).toEqual({
    changes: [
      { name: 'ms', change: 'changed', from: '2.0.0', to: '2.2.0' },
      { name: 'ms', change: 'added', from: null, to: '3.0.0' },
      { name: 'old', change: 'removed', from: '1', to: null },
    ],
    added: 1,
    removed: 1,
    changed: 1,
    unchanged: 3,
  });
});

test('what is listed is bounded, what is counted is not', () => {
  const many = packages(...Array.from({ length: 1500 }, (_, at) => `p${at}@1`));
  const changes = comparePackages([], many);
  expect(changes.changes).toHaveLength(1000);
  expect(changes.added).toBe(1500);
  const found = many.map(({ name }) => finding('r', name));
  const findings = compareFindings(found, []);
  expect(findings.resolved).toHaveLength(1000);
  expect(findings).toMatchObject({ resolvedCount: 1500, newCount: 0, unchanged: 0 });
});

test('findings are the same by kind, rule and place; each counts as often as it stands there', () => {
  const from = [finding('a', '/x:1'), finding('a', '/x:1'), finding('b', '/x:1')];
  const to = [
    finding('a', '/x:1', 'LOW'),
    finding('c', '/y:2', 'LOW'),
    finding('c', '/y:1', 'CRITICAL'),
    finding('c', '/z:1', 'strange'),
    { ...finding('b', '/x:1'), kind: 'misconfiguration' },
  ];
  const changes = compareFindings(from, to);
  expect(changes).toMatchObject({ newCount: 4, resolvedCount: 2, unchanged: 1 });
  expect(changes.new.map(({ place, severity }) => `${severity} ${place}`)).toEqual([
    'CRITICAL /y:1',
    'HIGH /x:1',
    'LOW /y:2',
    'strange /z:1',
  ]);
  expect(changes.resolved.map(({ rule }) => rule)).toEqual(['a', 'b']);
});

test('comparing does not change what it was given, and its order does not depend on it', () => {
  const list = Object.freeze([finding('b', '/2'), finding('a', '/1')]);
  expect(compareFindings([], list)).toEqual(compareFindings([], [...list].reverse()));
  expect(comparePackages(packages('b@1', 'a@1'), packages('b@2'))).toEqual(
    comparePackages(packages('a@1', 'b@1'), packages('b@2')),
  );
});
