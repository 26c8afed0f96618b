import { beforeAll, describe, expect, test } from '@jest/globals';
import { LoadRecord } from '../load/load-record.ts';
import { toCanaryDocument, toCanaryPlot, toCanaryTable } from './canary-report.ts';
import type { CanaryStory } from './canary-told.ts';

const REASON =
  'latency-p95 of the new version is 4.1 times that of the old one, and errors 5 % against 0 %: both are critical, and their rise is not by chance.';

let story: CanaryStory;

beforeAll(() => {
  const record = new LoadRecord();
  for (let request = 0; request < 3000; request += 1) {
    const at = request * 20;
    const isNew = at >= 10_000 && at < 30_000 && request % 10 === 0;
    const status = isNew && request % 200 === 0 ? 500 : 200;
    record.add({ at, status, version: isNew ? '1.3.0' : '1.0.0', ms: isNew ? 90 : 4 });
  }
  const stage = { name: 'one', targets: 1, share: 10, from: 10, to: 29, score: 0, reason: REASON };
  story = {
    proxy: { kind: 'haproxy', version: '2.6.12', url: 'http://127.0.0.1:8080/' },
    prometheus: null,
    promotions: [],
    rollouts: [
      {
        ...{ promotion: 'shop/2', version: '1.3.0', before: '1.0.0', state: 'reverted' },
        ...{ from: 5, to: 34, failedAt: 29, offAt: 29.6, revertedAt: 33 },
        stages: [{ ...stage, outcome: 'fail' }],
        shares: [
          { at: 10, percent: 10 },
          { at: 29.6, percent: 0 },
        ],
      },
    ],
    load: { record, perSecond: 50, skipped: 0, retried: 0 },
    services: [
      { environment: 'shop', target: 'web-1', url: 'http://127.0.0.1:8081/', version: '1.0.0' },
    ],
    trustRootFile: '/tmp/trust-root.json',
  };
});

describe('the canary’s report', () => {
  test('has a row for each stage with both versions, why it ended, and how fast', () => {
    const table = toCanaryTable(story);
    const row = /^shop\/2 +1\.3\.0 +one +1 +10 % +95 +5\.3 % +90 +855 +0\.0 % +4 +fail, 0 of 100$/m;
    expect(table).toMatch(row);
    expect(table).toMatch(/found worse: latency-p95 of the new/);
    expect(table).toMatch(/no request went to it: 0\.6 s later/);
    expect(table).toMatch(/as it was before: 4\.0 s later/);
    expect(table).toMatch(/3000 requests through haproxy 2\.6\.12, 50 a second; lost: 0/);
    expect(table).toMatch(/web-1 +1\.0\.0 /);
  });

  test('is drawn within its width: shares, errors and latency, each with its moments', () => {
    const plot = toCanaryPlot(story, 80);
    for (const title of ['requests answered by', 'errors', 'latency p95']) {
      expect(plot).toContain(title);
    }
    expect(plot).toMatch(/· 1\.0\.0 {2}# 1\.3\.0/);
    expect(plot).toMatch(/C +29\.6 s no request goes to 1\.3\.0 any more/);
    const lines = [...plot.split('\n'), ...toCanaryTable(story).split('\n')];
    expect(lines.filter((line) => line.length > 100)).toEqual([]);
    expect(Math.max(...plot.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
  });

  test('is a document for programs, too', () => {
    const { rollouts, load } = toCanaryDocument(story);
    expect(load).toEqual({
      ...{ perSecond: 50, requests: 3000, errors: 5, lost: 0, retried: 0, skipped: 0 },
    });
    expect(rollouts[0]).toMatchObject({
      ...{ promotion: 'shop/2', state: 'reverted', revertedSeconds: 4 },
      stages: [{ name: 'one', new: { requests: 95, errors: 5, p95: 90 }, old: { requests: 855 } }],
    });
    expect(rollouts[0]?.trafficOffSeconds).toBeCloseTo(0.6);
    expect(rollouts[0]?.sawNew).toBeCloseTo(6.9, 1);
  });
});
