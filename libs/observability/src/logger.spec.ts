import { expect, test } from '@jest/globals';
import { createLogger, type Logger } from './logger.ts';

function capture(level?: string): { log: Logger; lines: () => Record<string, unknown>[] } {
  const written: string[] = [];
  const stream = { write: (line: string) => void written.push(line) };
  const log = createLogger({ service: 'api', level, stream });
  return { log, lines: () => written.map((line) => JSON.parse(line)) };
}

test('a line is JSON with service, level word, time and what is bound', () => {
  const { log, lines } = capture();
  log.child({ traceId: 't', promotionId: 'dev/1' }).info({ step: 'scan' }, 'started');
  expect(lines()[0]).toMatchObject({
    service: 'api',
    level: 'info',
    traceId: 't',
    promotionId: 'dev/1',
    step: 'scan',
    msg: 'started',
  });
  expect(Date.parse(String(lines()[0]?.['time']))).not.toBeNaN();
});

test('secrets are taken out at any depth, from bindings, texts and errors', () => {
  const { log, lines } = capture();
  const secret = 'hunter2hunter2';
  const error = Object.assign(new Error(`Bearer ${secret} was refused`), {
    code: 'x',
    cause: new Error(`postgres://sluice:${secret}@127.0.0.1/db`),
  });
  log.child({ token: secret }).warn(
    {
      authorization: secret,
      headers: { Authorization: `Bearer ${secret}`, cookie: secret },
      key: secret,
      deep: [{ enrolmentKey: secret, privateKey: secret, accessToken: secret, password: secret }],
      pem: `-----BEGIN PRIVATE KEY-----\n${secret}\n-----END PRIVATE KEY-----`,
      err: error,
    },
    `sent Bearer ${secret}`,
  );
  const text = JSON.stringify(lines());
  expect(text).not.toContain(secret);
  expect(text).toContain('[redacted]');
  expect(lines()[0]).toMatchObject({ err: { type: 'Error', code: 'x' } });
});

test('what only sounds like a secret stays', () => {
  const { log, lines } = capture();
  const fields = { fencingToken: 7, keyId: 'sha256:a', idempotencyKey: 'k-1', monkey: 'm' };
  log.info(fields);
  expect(lines()[0]).toMatchObject(fields);
});

test('an error alone, cycles and big integers are logged', () => {
  const { log, lines } = capture();
  const cycle: Record<string, unknown> = { n: 10n };
  cycle['self'] = cycle;
  log.error(new Error('alone'));
  log.info({ cycle });
  expect(lines()[0]).toMatchObject({ err: { message: 'alone' }, msg: 'alone' });
  expect(lines()[1]).toMatchObject({ cycle: { n: '10' } });
});

test('the level is what is asked for; an unknown one is info', () => {
  const quiet = capture('error');
  quiet.log.info('not seen');
  expect(quiet.lines()).toEqual([]);
  const odd = capture('loud');
  odd.log.debug('not seen');
  odd.log.info('seen');
  expect(odd.lines()).toHaveLength(1);
});
