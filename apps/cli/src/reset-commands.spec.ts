import { expect, test } from '@jest/globals';
import { type FakeAnswers, fakeIo } from './fake-io.ts';
import { runCli } from './run-cli.ts';

const env = { SLUICE_TOKEN: 'secret-token' };
const at = (answer: string) => ({ terminal: { columns: 80, rows: 24 }, answer });
const errorOf = (text: string) => JSON.parse(text).error;
const promotion = {
  __typename: 'Promotion',
  id: 'staging/6',
  kind: 'PROMOTE',
  state: 'RUNNING',
  release: { id: `sha256:${'a'.repeat(64)}`, name: 'shop', version: '1.2.0' },
  environment: { name: 'staging' },
};
const preview = {
  __typename: 'ResetPreview',
  promotion,
  event: 20,
  lastEvent: 34,
  possibleEvents: [4, 8, 20, 30],
  runsAgain: [
    {
      event: 21,
      activity: 'executeStep',
      step: 'scan',
      target: null,
      consequence: 'It finds its own record and answers that; nothing is scanned again.',
    },
    {
      event: 27,
      activity: 'executeStep',
      step: 'deploy',
      target: 'staging-host',
      consequence: 'The report of the agent answers it.',
    },
  ],
  warnings: [{ code: 'approval-stands', message: 'Approvals that were given stand.' }],
};
const answers: FakeAnswers = {
  resetPreview: () => ({ data: { resetPreview: preview } }),
  resetPromotion: () => ({ data: { resetPromotion: promotion } }),
  resumePromotion: () => ({ data: { resumePromotion: promotion } }),
};
const inputOf = (io: ReturnType<typeof fakeIo>, operation: string) =>
  (io.asked.find(([name]) => name === operation)?.[1] as { input: object } | undefined)?.input;

test('a reset shows what runs again, and asks', async () => {
  const io = fakeIo(answers, env, at('yes'));
  expect(await runCli(['promotion', 'reset', 'staging/6', '--reason', 'patched'], io)).toBe(0);
  expect(io.outText().split('\n')).toEqual([
    'staging/6  shop@1.2.0 to staging: running',
    '  begins again from event 20 of 34; what came before stands',
    '  also possible with --event: 4, 8, 30',
    '',
    'Runs again:',
    '     21  scan: It finds its own record and answers that; nothing is scanned',
    '         again.',
    '     27  deploy on staging-host: The report of the agent answers it.',
    '',
    'Mind:',
    '  approval-stands: Approvals that were given stand.',
    '',
    'Begin staging/6 again from event 20? [y/N] staging/6 begins again from event 20.',
    'Follow it: sluice promotion watch staging/6',
    '',
  ]);
  expect(io.asked[0]?.[1]).toEqual({ promotion: 'staging/6', event: null });
  expect(inputOf(io, 'resetPromotion')).toMatchObject({
    promotion: 'staging/6',
    event: 20,
    reason: 'patched',
  });
});

test('--event is previewed, and what the preview says is asked for', async () => {
  const io = fakeIo(answers);
  const args = ['promotion', 'reset', 'staging/6', '--event', '22', '--yes', '--json'];
  expect(await runCli([...args, '--idempotency-key', 'k'], io)).toBe(0);
  expect(io.asked[0]?.[1]).toEqual({ promotion: 'staging/6', event: 22 });
  expect(inputOf(io, 'resetPromotion')).toMatchObject({ event: 20, idempotencyKey: 'k' });
  expect(JSON.parse(io.outText())).toEqual({ promotion, preview });
});

test('nothing is reset without a yes', async () => {
  const no = fakeIo(answers, env, at('no'));
  expect(await runCli(['promotion', 'reset', 'staging/6'], no)).toBe(1);
  expect(inputOf(no, 'resetPromotion')).toBeUndefined();
  const nobody = fakeIo(answers);
  expect(await runCli(['promotion', 'reset', 'staging/6', '--json'], nobody)).toBe(2);
  expect(errorOf(nobody.outText()).code).toBe('confirmation-missing');
  expect(nobody.asked).toEqual([]);
});

test('--preview shows what runs again, without a terminal, and does nothing', async () => {
  const text = fakeIo(answers);
  expect(await runCli(['promotion', 'reset', 'staging/6', '--preview'], text)).toBe(0);
  expect(text.outText()).toContain(
    '27  deploy on staging-host: The report of the agent answers it.',
  );
  const json = fakeIo(answers);
  expect(await runCli(['promotion', 'reset', 'staging/6', '--preview', '--json'], json)).toBe(0);
  expect(JSON.parse(json.outText())).toEqual(preview);
  const both = fakeIo(answers);
  expect(await runCli(['promotion', 'reset', 'staging/6', '--preview', '--yes'], both)).toBe(2);
  expect(both.asked).toEqual([]);
  for (const io of [text, json]) expect(inputOf(io, 'resetPromotion')).toBeUndefined();
});

test.each(['promotion-sealed', 'reset-impossible', 'promotion-not-started', 'engine-unavailable'])(
  'the refusal %s keeps its code',
  async (code) => {
    const refusal = { __typename: 'StateConflict', code, message: 'No.' };
    const early = fakeIo({ resetPreview: () => ({ data: { resetPreview: refusal } }) });
    const args = ['promotion', 'reset', 'staging/6', '--yes', '--json'];
    expect(await runCli(args, early)).toBe(1);
    expect(errorOf(early.outText()).code).toBe(code);
    const late = { ...answers, resetPromotion: () => ({ data: { resetPromotion: refusal } }) };
    const io = fakeIo(late);
    expect(await runCli(args, io)).toBe(1);
    expect(errorOf(io.outText()).code).toBe(code);
  },
);

test('a resume tries at once what failed', async () => {
  const io = fakeIo(answers);
  expect(await runCli(['promotion', 'resume', 'staging/6'], io)).toBe(0);
  expect(inputOf(io, 'resumePromotion')).toMatchObject({
    promotion: 'staging/6',
    reason: 'Resumed with sluice promotion resume.',
  });
  expect(io.outText()).toContain('what failed is tried again at once');
  const refusal = {
    __typename: 'StateConflict',
    code: 'nothing-to-resume',
    message: 'It goes on.',
  };
  const none = fakeIo({ resumePromotion: () => ({ data: { resumePromotion: refusal } }) });
  expect(await runCli(['promotion', 'resume', 'staging/6', '--json'], none)).toBe(1);
  expect(errorOf(none.outText()).code).toBe('nothing-to-resume');
  expect(await runCli(['promotion', 'resume', 'six'], fakeIo())).toBe(2);
  expect(await runCli(['promotion', 'reset', 'dev/1', '--event', '0', '--yes'], fakeIo())).toBe(2);
});
