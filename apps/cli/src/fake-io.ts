import type { CliIo, Terminal } from './cli-io.ts';
import type { NodeEnd, NodeRun } from './node-run.ts';
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
  /** Programs that were run. */
  readonly runs: NodeRun[];
}

/** Who sits at a fake terminal, and what they type to every question. */
export interface FakePerson {
  readonly terminal: Terminal;
  /** Undefined for one who only looks. */
  readonly answer?: string;
}

/**
 * Makes {@link FakeIo} over answers by operation.
 * @param program what every other program does; none is there when undefined
 */
export function fakeIo(
  answers: FakeAnswers = {},
  env: Readonly<Record<string, string>> = { SLUICE_TOKEN: 'secret-token' },
  person?: FakePerson,
  program?: (run: NodeRun) => Partial<NodeEnd> | Promise<Partial<NodeEnd>>,
): FakeIo {
  let out = '';
  let err = '';
  let time = Date.parse('2026-11-21T12:00:00Z');
  const asked: [string, Record<string, unknown>][] = [];
  const ticks: (() => void)[] = [];
  const runs: NodeRun[] = [];
  return {
    env,
    now: () => time,
    sleep: (milliseconds) => {
      time += milliseconds;
      for (const tick of ticks) tick();
      return Promise.resolve();
    },
    every: (_, work) => {
      ticks.push(work);
      return () => void ticks.splice(ticks.indexOf(work), 1);
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
    terminal: () => person?.terminal,
    ask:
      person?.answer === undefined
        ? undefined
        : (question) => {
            out += question;
            return Promise.resolve(person.answer ?? '');
          },
    runNode: async (run) => {
      runs.push(run);
      return { status: 0, stdout: '', ...(await program?.(run)) };
    },
    hasProgram: () => program !== undefined,
    outText: () => out,
    errText: () => err,
    asked,
    runs,
  };
}
