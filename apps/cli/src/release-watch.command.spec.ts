import { expect, test } from '@jest/globals';
import { fakeIo } from './fake-io.ts';
import type { BudgetView, ReleaseWatchView } from './release-watch-operations.ts';
import { runCli } from './run-cli.ts';

const env = { SLUICE_TOKEN: 'secret-token' };
const release = (version: string) => ({
  id: `sha256:${version.replaceAll('.', '').padEnd(64, '0')}`,
  name: 'shop',
  version,
});
const watch = (changed: Partial<ReleaseWatchView> = {}): ReleaseWatchView => ({
  state: 'WATCHING',
  onAlarm: 'ROLLBACK',
  rules: { seconds: 600 },
  since: '2026-11-21T11:55:00.000Z',
  until: '2026-11-21T12:05:00.000Z',
  endedAt: null,
  lookedAt: '2026-11-21T11:59:30.000Z',
  rounds: 9,
  blindSeconds: 0,
  reason: null,
  blind: null,
  failing: [],
  promotion: { id: 'prod/17', environment: { name: 'prod' }, release: release('1.3.0') },
  rollback: null,
  ...changed,
});
const alarmed = watch({
  state: 'ALARMED',
  endedAt: '2026-11-21T11:59:12.000Z',
  blindSeconds: 30,
  reason: {
    code: 'watch-probe-failing',
    message: 'The health of web-2 failed 3 times in a row: HTTP 500.',
  },
  rollback: { id: 'prod/18', state: 'SUCCEEDED', release: release('1.2.0') },
});

test('an alarm is shown with what came of it, and is status 1', async () => {
  const io = fakeIo({ watch: () => shown(alarmed) }, env);
  expect(await runCli(['watch', 'show', 'prod/17'], io)).toBe(1);
  expect(io.outText()).toBe(
    [
      'prod/17  shop@1.3.0 in prod: alarmed',
      '  watched 4:12 of 10:00 in 9 looks, 30.0 s of it unseen',
      '  on alarm: roll back',
      '  watch-probe-failing: The health of web-2 failed 3 times in a row: HTTP 500.',
      '  rollback: prod/18 to shop@1.2.0, succeeded',
      '',
    ].join('\n'),
  );
});

test('what it cannot see now, and what fails, is shown while it goes on', async () => {
  const blind = { code: 'analysis-provider-down', message: 'It did not answer.' };
  const going = watch({ blind, failing: [{ target: 'web-2', failures: 2 }] });
  const io = fakeIo({ watch: () => shown(going) }, env);
  expect(await runCli(['watch', 'show', 'prod/17'], io)).toBe(0);
  expect(io.outText()).toContain('cannot see now: analysis-provider-down: It did not answer.');
  expect(io.outText()).toContain('failing: web-2 (2)');
});

test('a promotion that is not watched, one that is not there, and no promotion at all', async () => {
  const none = fakeIo({ watch: () => shown(null) }, env);
  expect(await runCli(['watch', 'show', 'prod/17'], none)).toBe(1);
  expect(none.errText()).toContain('is not watched, and was not');
  const missing = fakeIo({ watch: () => ({ data: { promotion: null } }) }, env);
  expect(await runCli(['watch', 'show', 'prod/17'], missing)).toBe(1);
  expect(await runCli(['watch', 'show', 'prod'], fakeIo({}, env))).toBe(2);
});

test('watches are listed, of one environment or state', async () => {
  const io = fakeIo({ watches: () => ({ data: { watches: [alarmed, watch()] } }) }, env);
  const args = ['watch', 'list', '--environment', 'prod', '--state', 'alarmed'];
  expect(await runCli(args, io)).toBe(0);
  expect(io.asked.at(-1)?.[1]).toEqual({ environment: 'prod', state: 'ALARMED' });
  expect(io.outText()).toMatch(/prod\/17 +shop@1\.3\.0 +alarmed +11-21 12:05 +30\.0 s +prod\/18/);
  expect(await runCli(['watch', 'list', '--state', 'odd'], fakeIo({}, env))).toBe(2);
});

test('budgets are listed with who holds them', async () => {
  const budgets: BudgetView[] = [
    {
      name: 'web',
      selector: { tier: 'web' },
      maxUnavailable: 2,
      maxUnavailablePercent: null,
      limit: 2,
      matching: 12,
      unavailable: 2,
      holders: [
        { target: 'web-3', promotion: 'prod/17' },
        { target: 'web-7', promotion: null },
      ],
    },
    {
      name: 'all',
      selector: {},
      maxUnavailable: null,
      maxUnavailablePercent: 5,
      limit: 0,
      matching: 12,
      unavailable: 0,
      holders: [],
    },
  ];
  const io = fakeIo({ budgets: () => ({ data: { budgets } }) }, env);
  expect(await runCli(['budget', 'list'], io)).toBe(0);
  expect(io.outText()).toMatch(/web +tier=web +2 +2 +12 +2/);
  expect(io.outText()).toMatch(/all +every target +5 % +0 +12 +0/);
  expect(io.outText()).toContain('web: web-3 by prod/17, web-7 offline');
  expect(io.outText()).toContain('all: nothing can be deployed to its targets; raise it.');
});

function shown(one: ReleaseWatchView | null) {
  return {
    data: { promotion: { id: 'prod/17', state: 'SUCCEEDED', kind: 'PROMOTE', watch: one } },
  };
}
