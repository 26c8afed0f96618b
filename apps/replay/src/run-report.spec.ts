import { describe, expect, test } from '@jest/globals';
import { escapeXml, formatJunit } from './junit.ts';
import { openProgress } from './progress.ts';
import type { Mismatch, ReplayReport, ReplayResult } from './replay-result.ts';
import { isClean } from './run-histories.ts';
import { formatReport } from './run-text.ts';
import { openPalette } from './text.ts';

const PLAIN = openPalette(false);
const DIGEST = `sha256:${'ab'.repeat(32)}`;

function result(number: number, more: Partial<ReplayResult> = {}): ReplayResult {
  return {
    file: `histories/dev-${number}.json`,
    workflowId: `promotion/acme/dev/${number}`,
    runId: `run-${number}`,
    workflowType: 'promoteRelease',
    status: 'completed',
    events: 50,
    outcome: 'deterministic',
    seconds: 0.25,
    ...more,
  };
}

const MISMATCH: Mismatch = {
  event: 24,
  eventType: 'ActivityTaskScheduled',
  expected: 'activity executeStep (step gate)',
  actual: 'activity executeStep (step <plan> & "co")',
  step: 'gate',
  target: null,
  source: { file: 'workflows/src/step-execution.ts', line: 190, column: 38 },
  callers: [{ file: 'workflows/src/interpret-pipeline.ts', line: 36, column: 7 }],
  message: '[TMPRL1100] no \u001b[31mmatch\u0000\nsecond line',
  brokenBy: { buildId: 'b2', bundleDigest: DIGEST },
};

function report(results: readonly ReplayResult[], more: Partial<ReplayReport> = {}): ReplayReport {
  const count = (outcome: string): number =>
    results.filter((one) => one.outcome === outcome).length;
  return {
    schema: 'sluice.replay/v1',
    bundle: { digest: DIGEST, buildId: 'b3' },
    workers: 2,
    seconds: 4,
    histories: results.length,
    events: results.length * 50,
    deterministic: count('deterministic'),
    mismatched: count('mismatch'),
    failed: count('unreadable'),
    inputsChanged: null,
    peakMemoryBytes: 1,
    results,
    ...more,
  };
}

const unreadable = result(9, {
  workflowId: null,
  runId: null,
  workflowType: null,
  status: null,
  events: 0,
  outcome: 'unreadable',
  problem: { code: 'history-damaged', message: 'It was <cut> off.' },
});

describe('for people', () => {
  test('a mismatch that several histories share is told once', () => {
    const text = formatReport(
      report([
        result(1),
        ...[2, 3].map((number) => result(number, { outcome: 'mismatch', mismatch: MISMATCH })),
        unreadable,
      ]),
      PLAIN,
    );
    expect(text).toBe(`✓ dev/1  promoteRelease completed, 50 events
✗ dev/2, dev/3
    event     24 ActivityTaskScheduled, step gate
    recorded  activity executeStep (step gate)
    now       activity executeStep (step <plan> & "co")
    source    workflows/src/step-execution.ts:190:38
      from    workflows/src/interpret-pipeline.ts:36:7
    broken by build b2 (sha256:abababababab)
    [TMPRL1100] no ?[31mmatch?
? histories/dev-9.json  history-damaged
    It was <cut> off.

4 histories, 200 events: 1 deterministic, 2 mismatches, 1 unreadable.
Build b3 (sha256:abababababab), 2 workers, 4.0 s (1.0/s).
`);
  });

  test('of many that are right none is named', () => {
    const results = Array.from({ length: 1000 }, (_, number) => result(number));
    expect(formatReport(report(results, { seconds: 10 }), PLAIN)).toBe(
      '1,000 histories, 50,000 events: 1000 deterministic.\n' +
        'Build b3 (sha256:abababababab), 2 workers, 10.0 s (100/s).\n',
    );
  });

  test('changed inputs are shown with both values', () => {
    const inputs = [
      {
        event: 7,
        activity: 'executeStep',
        step: 'scan',
        path: '0.type',
        recorded: 'scan',
        now: null,
      },
    ];
    const changed = report([result(1, { inputs })], { inputsChanged: 1 });
    expect(formatReport(changed, PLAIN)).toMatch(
      /~ dev\/1 {2}inputs changed\n {4}event 7, executeStep \(step scan\), 0\.type: was "scan", is null\n/,
    );
    expect(isClean(changed)).toBe(false);
    expect(isClean(report([result(1, { inputs: [] })], { inputsChanged: 0 }))).toBe(true);
    expect(isClean(report([unreadable]))).toBe(false);
  });
});

describe('for machines', () => {
  test('JUnit: one case a history, everything escaped', () => {
    const inputs = [
      { event: 7, activity: 'a', step: null, path: '0', recorded: ']]>', now: '\u0001' },
    ];
    const xml = formatJunit(
      report([
        result(1),
        result(2, { outcome: 'mismatch', mismatch: MISMATCH }),
        result(3, { inputs }),
        unreadable,
      ]),
    );
    expect(xml).toMatch(
      /<testsuites name="sluice replay" tests="4" failures="2" errors="1" time="4.000">/,
    );
    expect(xml).toContain(
      '<testcase classname="promoteRelease" name="promotion/acme/dev/1 run-1" file="histories/dev-1.json" time="0.250"/>',
    );
    expect(xml).toContain('now activity executeStep (step &lt;plan&gt; &amp; &quot;co&quot;)');
    expect(xml).toContain('<error type="history-damaged" message="It was &lt;cut&gt; off.">');
    expect(xml).toContain(']]&gt;');
    assertWellFormed(xml);
  });

  test('XML gets no character that it cannot hold', () => {
    expect(escapeXml('a\u0000\u0008\ud800b\udc00\uffff\t\n😀')).toBe(
      'a\ufffd\ufffd\ufffdb\ufffd\ufffd&#9;&#10;😀',
    );
  });
});

describe('progress', () => {
  const one = { outcome: 'deterministic' } as ReplayResult;

  test('on a terminal a bar is drawn over itself, and taken away at the end', () => {
    const written: string[] = [];
    let time = 0;
    const output = { columns: 60, write: (text: string) => void written.push(text) };
    const progress = openProgress(4, output, () => time);
    for (let number = 0; number < 4; number += 1) {
      time += 1000;
      progress.replayed(number === 1 ? { ...one, outcome: 'mismatch' } : one);
    }
    progress.close();
    expect(written[0]).toMatch(/░{24} 0 of 4 histories/);
    expect(written[2]).toMatch(/█{12}░{12} 2 of 4 histories, 1\.0\/s, 2 s left/);
    expect(written[4]).toMatch(/█{24} 4 of 4 histories, 1\.0\/s, 1 proble/);
    expect(written.at(-1)).toBe('\r\u001b[2K');
    for (const text of written) expect(text.replace('\r\u001b[2K', '').length).toBeLessThan(60);
  });

  test('elsewhere there is a plain line now and then, and none for a short run', () => {
    const written: string[] = [];
    let time = 0;
    const output = { columns: undefined, write: (text: string) => void written.push(text) };
    const progress = openProgress(1000, output, () => time);
    for (let number = 0; number < 210; number += 1) {
      time += 100;
      progress.replayed(one);
    }
    progress.searching(2);
    progress.close();
    expect(written).toEqual([
      '100 of 1,000 histories, 10.0/s, 90 s left\n',
      '200 of 1,000 histories, 10.0/s, 80 s left\n',
      'Searching the build that broke them: 2 searches …\n',
    ]);
  });
});

/** Every element is closed in order, and nothing stands in a text or an attribute that would have to be escaped. */
function assertWellFormed(xml: string): void {
  const open: string[] = [];
  const rest = xml
    .replace(/^<\?xml [^?]*\?>\n/, '')
    .replace(
      /<(\/?)([a-z]+)((?: [a-z]+="[^"<]*")*)(\/?)>/g,
      (_whole, close: string, name: string, _attributes, empty: string) => {
        if (close !== '') expect(open.pop()).toBe(name);
        else if (empty === '') open.push(name);
        return '';
      },
    );
  expect(open).toEqual([]);
  expect(rest).not.toMatch(/[<>]|&(?!(?:amp|lt|gt|quot|apos|#\d+);)/);
}
