import { expect, test } from '@jest/globals';
import { readVerdict } from './verdict.ts';

const entry = { rule: 'r', source: 's', result: 'deny', finding: 'f', remedy: 'x' };
const deny = { decision: 'deny', reasonCodes: ['a'], trace: [entry] };
const allow = { decision: 'allow', reasonCodes: [], trace: [] };
const of = (result: unknown): unknown => [{ result }];

test('codes and entries come out sorted and once each', () => {
  const verdict = readVerdict(
    of({
      decision: 'deny',
      reasonCodes: ['b', 'a:x', 'b'],
      trace: [{ ...entry, rule: 'z' }, entry, { ...entry }],
    }),
  );
  expect(verdict.reasonCodes).toEqual(['a:x', 'b']);
  expect(verdict.trace.map(({ rule }) => rule)).toEqual(['r', 'z']);
});

test('allow and pending are read too', () => {
  expect(readVerdict(of(allow)).decision).toBe('allow');
  expect(readVerdict(of({ ...deny, decision: 'pending' })).decision).toBe('pending');
});

test.each([
  ['nothing', undefined],
  ['no result', []],
  ['two results', [{ result: allow }, { result: allow }]],
  ['an undefined verdict', of(undefined)],
  ['a bare boolean', of(true)],
  ['an unknown member', of({ ...allow, more: 1 })],
  ['a missing trace', of({ decision: 'allow', reasonCodes: [] })],
  ['an unknown decision', of({ ...allow, decision: 'maybe' })],
  ['a deny without a reason', of({ ...deny, reasonCodes: [] })],
  ['a pending without a reason', of({ ...deny, decision: 'pending', reasonCodes: [] })],
  ['an allow with a reason against it', of({ ...allow, reasonCodes: ['a'] })],
  ['an allow against a rule', of({ ...allow, trace: [entry] })],
  ['a code that is none', of({ ...deny, reasonCodes: ['Not A Code'] })],
  ['a code that is no text', of({ ...deny, reasonCodes: [1] })],
  ['codes that are no list', of({ ...deny, reasonCodes: { a: true } })],
  ['an entry without a remedy', of({ ...deny, trace: [{ ...entry, remedy: undefined }] })],
  ['an entry with more', of({ ...deny, trace: [{ ...entry, more: 1 }] })],
  ['an entry of an unknown result', of({ ...deny, trace: [{ ...entry, result: 'yes' }] })],
])('%s is no verdict', (_, result) => {
  expect(() => readVerdict(result)).toThrow(
    expect.objectContaining({ code: 'policy-output-invalid' }),
  );
});
