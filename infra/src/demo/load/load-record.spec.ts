import { describe, expect, test } from '@jest/globals';
import { LoadRecord } from './load-record.ts';

describe('what a load saw', () => {
  const record = new LoadRecord();
  for (let request = 0; request < 40; request += 1) {
    const isNew = request % 4 === 0;
    record.add({
      at: request * 100,
      status: request === 8 ? 500 : 200,
      version: isNew ? '2' : '1',
      ms: isNew ? 100 + request : request,
    });
  }
  record.add({ at: 1500, status: null, version: null, ms: 5000 });

  test('is counted by second and version; what was lost is nobody’s', () => {
    expect(record.length).toBe(4);
    expect(record.span(0, 1)).toEqual({
      from: 0,
      total: { requests: 10, errors: 1, lost: 0, p50: 7, p95: 108 },
      versions: {
        '1': { requests: 7, errors: 0, lost: 0, p50: 5, p95: 9 },
        '2': { requests: 3, errors: 1, lost: 0, p50: 104, p95: 108 },
      },
    });
    expect(record.span(1, 2).total).toMatchObject({ requests: 11, lost: 1 });
  });

  test('comes in spans that leave nothing out', () => {
    const spans = record.spans(3);
    expect(spans.map(({ from }) => from)).toEqual([0, 3]);
    expect(spans.reduce((sum, { total }) => sum + total.requests, 0)).toBe(41);
    expect(record.span().total.requests).toBe(41);
  });

  test('has no quantile where nothing answered, and forgets what comes after an hour', () => {
    const empty = new LoadRecord();
    empty.add({ at: 3_600_000, status: 200, version: '1', ms: 1 });
    expect([empty.length, empty.span().total]).toEqual([
      0,
      { requests: 0, errors: 0, lost: 0, p50: null, p95: null },
    ]);
  });
});
