import { expect, test } from '@jest/globals';
import { fakeIo } from './fake-io.ts';
import type { DiscrepancyView } from './history-operations.ts';
import { runCli } from './run-cli.ts';

const env = { SLUICE_TOKEN: 'secret-token' };
const at = (answer: string) => ({ terminal: { columns: 80, rows: 24 }, answer });

const found = (code: string, subject: string, changes: Partial<DiscrepancyView> = {}) => ({
  id: `${code}:${subject}`,
  code,
  subject,
  message: 'The records say one thing, the engine another.',
  action: 'RAISE' as const,
  repairable: false,
  remedy: 'Look at the target; then promote again.',
  detail: {},
  firstSeenAt: '2026-11-21T11:50:00.000Z',
  lastSeenAt: '2026-11-21T11:59:50.000Z',
  repairRequestedAt: null,
  repairError: null,
  ...changes,
});
const mended = found('history-missing', 'workflow:promotion/acme/dev/1', {
  action: 'REPAIR',
  repairable: true,
  remedy: 'The archiver looks at it again at once.',
});
const asked = found('workflow-outlives-promotion', 'promotion:dev/2', {
  repairable: true,
  remedy: 'Its workflow is terminated.',
});
const people = found('target-differs', 'target:dev-1');

/** An API whose watchdog takes `rounds` looks to do what it is asked. */
function watchdog(first: DiscrepancyView[], rest: DiscrepancyView[], rounds = 2) {
  let isAsked = false;
  let looks = 0;
  const view = (discrepancies: DiscrepancyView[]) => ({
    __typename: 'Reconciliation',
    lookedAt: '2026-11-21T11:59:50.000Z',
    discrepancies,
  });
  return {
    reconciliation: () => {
      if (isAsked) looks += 1;
      return { data: { reconciliation: view(looks >= rounds ? rest : first) } };
    },
    reconcile: () => {
      isAsked = true;
      return { data: { reconcile: view(first) } };
    },
  };
}
const inputOf = (io: ReturnType<typeof fakeIo>) =>
  (io.asked.find(([name]) => name === 'reconcile')?.[1] as { input: object } | undefined)?.input;

test('it shows, asks, waits until the repaired are gone, and says what remains', async () => {
  const io = fakeIo(watchdog([mended, asked, people], [people]), env, at('y'));
  expect(await runCli(['admin', 'reconcile'], io)).toBe(1);
  expect(io.outText().split('\n')).toEqual([
    '3 discrepancies. The watchdog looked 10 s ago.',
    '',
    'Mended by the watchdog itself:',
    '  workflow:promotion/acme/dev/1  history-missing since 2026-11-21 11:50 UTC',
    '    The records say one thing, the engine another.',
    '    repair: The archiver looks at it again at once.',
    '',
    'Mended when you ask for it:',
    '  promotion:dev/2  workflow-outlives-promotion since 2026-11-21 11:50 UTC',
    '    The records say one thing, the engine another.',
    '    repair: Its workflow is terminated.',
    '',
    'For people:',
    '  target:dev-1  target-differs since 2026-11-21 11:50 UTC',
    '    The records say one thing, the engine another.',
    '    to do: Look at the target; then promote again.',
    '',
    'Repair 2 discrepancies now? [y/N] ',
    '2 of 2 repaired. Remaining:',
    '  target:dev-1  target-differs: for people',
    '',
  ]);
  expect(inputOf(io)).toMatchObject({ discrepancies: [mended.id, asked.id] });
});

test('--yes does not ask, --json is one document, and nothing left is status 0', async () => {
  const io = fakeIo(watchdog([asked], []));
  expect(await runCli(['admin', 'reconcile', '--yes', '--json'], io)).toBe(0);
  expect(JSON.parse(io.outText())).toEqual({
    lookedAt: '2026-11-21T11:59:50.000Z',
    found: [asked],
    asked: [asked.id],
    remaining: [],
  });
});

test('without anybody to ask it only shows', async () => {
  const io = fakeIo(watchdog([asked], []));
  expect(await runCli(['admin', 'reconcile'], io)).toBe(1);
  expect(io.outText()).toContain('Repair them: add --yes.');
  const json = fakeIo(watchdog([asked], []), env, at('y'));
  expect(await runCli(['admin', 'reconcile', '--json'], json)).toBe(1);
  expect(JSON.parse(json.outText())).toMatchObject({ asked: [], remaining: [asked] });
  const no = fakeIo(watchdog([asked], []), env, at('n'));
  expect(await runCli(['admin', 'reconcile'], no)).toBe(1);
  for (const each of [io, json, no]) expect(inputOf(each)).toBeUndefined();
});

test('a repair that fails ends the wait and says why; an old failure does not', async () => {
  const before = { ...asked, repairError: 'timed out' };
  const after = { ...asked, repairError: 'The engine is away.' };
  const io = fakeIo(watchdog([before], [after], 3));
  expect(await runCli(['admin', 'reconcile', '--yes'], io)).toBe(1);
  expect(io.outText()).toContain('the last repair failed: timed out');
  expect(io.outText()).toContain('0 of 1 repaired. Remaining:');
  expect(io.outText()).toContain('workflow-outlives-promotion: The engine is away.');
  expect(io.asked.filter(([name]) => name === 'reconciliation')).toHaveLength(4);
});

test('the wait has an end', async () => {
  const io = fakeIo(watchdog([asked], [], 1000));
  expect(await runCli(['admin', 'reconcile', '--yes', '--wait', '5'], io)).toBe(1);
  expect(io.outText()).toContain('not repaired yet');
  expect(io.asked.length).toBeLessThan(9);
});

test('nothing to do is status 0; not looked yet is said', async () => {
  const io = fakeIo(watchdog([], []));
  expect(await runCli(['admin', 'reconcile'], io)).toBe(0);
  expect(io.outText()).toBe('Nothing disagrees. The watchdog looked 10 s ago.\n');
  const reconciliation = { lookedAt: null, discrepancies: [] };
  const early = fakeIo({ reconciliation: () => ({ data: { reconciliation } }) });
  expect(await runCli(['admin', 'reconcile'], early)).toBe(0);
  expect(early.outText()).toContain('has not looked yet');
});

test('a refusal keeps its code', async () => {
  const refusal = { __typename: 'NotPermitted', code: 'not-permitted', message: 'Admins alone.' };
  const io = fakeIo({
    ...watchdog([asked], []),
    reconcile: () => ({ data: { reconcile: refusal } }),
  });
  expect(await runCli(['admin', 'reconcile', '--yes', '--json'], io)).toBe(1);
  expect(JSON.parse(io.outText()).error.code).toBe('not-permitted');
});
