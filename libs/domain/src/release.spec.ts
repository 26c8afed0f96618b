import { describe, expect, test } from '@jest/globals';
import type { Component, ComponentKind } from './component.ts';
import { COMPONENT_KINDS } from './component.ts';
import { isDigest, isName, isVersion } from './name.ts';
import { composeRelease, MAX_COMPONENTS } from './release.ts';

const DIGEST = `sha256:${'0a'.repeat(32)}`;

function component(name: string, changes: Partial<Component> = {}): Component {
  return { name, kind: 'oci', digest: DIGEST, version: '1.0.0', ...changes };
}

function codeOf(name: string, version: string, components: readonly Component[]): string {
  const outcome = composeRelease(name, version, components);
  return outcome.ok ? 'ok' : outcome.refusal.code;
}

describe('names', () => {
  test.each(['a', '0', 'web', 'web-1', 'a'.repeat(63)])('"%s" is a name', (name) => {
    expect(isName(name)).toBe(true);
  });
  test.each(['', '-a', 'a-', 'A', 'a.b', 'a_b', 'a b', 'ä', 'a\n', '../a', 'a'.repeat(64)])(
    '%j is no name',
    (name) => {
      expect(isName(name)).toBe(false);
    },
  );
  test.each(['1', '1.2.0', 'v3+build.7', '2026.11.21-rc.1', 'a'.repeat(128)])(
    '"%s" is a version',
    (version) => {
      expect(isVersion(version)).toBe(true);
    },
  );
  test.each(['', '-1', '.1', '1 2', '1/2', '1\n', 'a'.repeat(129)])(
    '%j is no version',
    (version) => {
      expect(isVersion(version)).toBe(false);
    },
  );
  test.each([
    ['sha256:', false],
    [DIGEST, true],
    [DIGEST.toUpperCase(), false],
    [`sha256:${'0A'.repeat(32)}`, false],
    [DIGEST.slice(0, -1), false],
    [`${DIGEST}0`, false],
    [`${DIGEST}\n`, false],
    [`sha512:${'0a'.repeat(64)}`, false],
    ['0a'.repeat(32), false],
  ])('%j is a digest: %s', (digest, expected) => {
    expect(isDigest(digest)).toBe(expected);
  });
});

describe('composeRelease', () => {
  test('sorts by name, code unit by code unit, and takes only the four fields', () => {
    const extra = { ...component('b'), path: '/etc/passwd' };
    const outcome = composeRelease('shop', '1.0.0', [extra, component('a-1'), component('a')]);
    expect(outcome).toEqual({
      ok: true,
      value: {
        schema: 'sluice.release/v1',
        name: 'shop',
        version: '1.0.0',
        components: [component('a'), component('a-1'), component('b')],
      },
    });
  });

  test('does not change what it was given', () => {
    const given = [component('b'), component('a')];
    composeRelease('shop', '1.0.0', given);
    expect(given.map(({ name }) => name)).toEqual(['b', 'a']);
  });

  test.each(COMPONENT_KINDS)('takes components of kind %s', (kind) => {
    expect(codeOf('shop', '1.0.0', [component('a', { kind })])).toBe('ok');
  });

  const many = Array.from({ length: MAX_COMPONENTS + 1 }, (_, index) => component(`c-${index}`));
  test.each<readonly [string, string, string, readonly Component[]]>([
    ['release-name-invalid', 'Shop', '1.0.0', [component('a')]],
    ['release-version-invalid', 'shop', 'one two', [component('a')]],
    ['release-without-components', 'shop', '1.0.0', []],
    ['release-too-many-components', 'shop', '1.0.0', many],
    ['release-component-invalid', 'shop', '1.0.0', [component('A')]],
    ['release-component-invalid', 'shop', '1.0.0', [component('a'), component('a')]],
    [
      'release-component-invalid',
      'shop',
      '1.0.0',
      [component('a', { kind: 'rpm' as ComponentKind })],
    ],
    ['release-component-invalid', 'shop', '1.0.0', [component('a', { digest: 'latest' })]],
    ['release-component-invalid', 'shop', '1.0.0', [component('a', { version: '' })]],
  ])('refuses with %s', (code, name, version, components) => {
    expect(codeOf(name, version, components)).toBe(code);
  });

  test('takes as many components as are allowed', () => {
    expect(codeOf('shop', '1.0.0', many.slice(1))).toBe('ok');
  });
});
