import type { CliIo } from './cli-io.ts';
import { OPERATIONS } from './operations.ts';

/** What a fake API answers to an operation; `undefined` lets the test fail with its name. */
export type FakeAnswers = Partial<
  Record<keyof typeof OPERATIONS, (variables: Record<string, unknown>) => unknown>
>;

/** Surroundings of a command for tests: texts are kept, time moves only by sleeping. */
export interface FakeIo extends CliIo {
  readonly outText: () => string;
  readonly errText: () => string;
  /** Operations that were asked, with their variables. */
  readonly asked: [string, Record<string, unknown>][];
}

/** Makes {@link FakeIo} over answers by operation. */
export function fakeIo(
  answers: FakeAnswers = {},
  env: Readonly<Record<string, string>> = { SLUICE_TOKEN: 'secret-token' },
): FakeIo {
  let out = '';
  let err = '';
  let time = Date.parse('2026-11-21T12:00:00Z');
  const asked: [string, Record<string, unknown>][] = [];
  return {
    env,
    now: () => time,
    sleep: (milliseconds) => {
      time += milliseconds;
      return Promise.resolve();
    },
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
    fetch: (_url, init) => {
      const body = JSON.parse(String(init?.body)) as {
        query: string;
        variables: Record<string, unknown>;
      };
      const entry = Object.entries(OPERATIONS).find(([, text]) => text === body.query);
      const name = entry?.[0] ?? 'unknown operation';
      asked.push([name, body.variables]);
      const answer = answers[name as keyof typeof OPERATIONS];
      if (answer === undefined) return Promise.reject(new Error(`nobody answers ${name}`));
      return Promise.resolve(Response.json(answer(body.variables)));
    },
    outText: () => out,
    errText: () => err,
    asked,
  };
}
