import { expect, test } from '@jest/globals';
import { isQueryWord, parseQuery } from './promotion-query.ts';

const now = Date.parse('2026-11-21T12:00:00.000Z');

test('words become a filter, durations instants', () => {
  const words = [
    'state=failed,reverted',
    'environment=dev',
    'release=shop@1.0.0',
    'kind=rollback',
    'since=7d',
    'until=2026-11-20',
    'limit=7',
  ];
  expect(words.every(isQueryWord)).toBe(true);
  expect(parseQuery(words, now)).toEqual({
    states: ['FAILED', 'REVERTED'],
    environment: 'dev',
    release: 'shop@1.0.0',
    kind: 'ROLLBACK',
    since: '2026-11-14T12:00:00.000Z',
    until: '2026-11-20T00:00:00.000Z',
    limit: 7,
  });
  expect(parseQuery(['since=2026-11-21T13:00:00+02:00'], now)).toEqual({
    since: '2026-11-21T11:00:00.000Z',
    limit: 100,
  });
});

test.each(['dev/1', './a=b', 'state', '/tmp/x', '=x', 'State=failed'])('%s is no query', (word) => {
  expect(isQueryWord(word)).toBe(false);
});

test.each([
  [['state=late']],
  [['state=']],
  [['environment=../x']],
  [['release=shop']],
  [['kind=move']],
  [['since=soon']],
  [['since=0d']],
  [['since=2026-13-41']],
  [['limit=0']],
  [['limit=1001']],
  [['shape=round']],
  [['state=failed', 'state=denied']],
  [['since=1d', 'until=2d']],
])('%j is refused with what to write', (words) => {
  let error: unknown;
  try {
    parseQuery(words, now);
  } catch (caught) {
    error = caught;
  }
  expect(error).toMatchObject({ code: 'query-invalid', exitCode: 2 });
  expect((error as { next: string }).next).not.toBe('');
});
