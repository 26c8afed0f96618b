import type { JournalEntry } from './journal.ts';

/** Why a command was not carried out, as a report says it. */
export type Failure = NonNullable<JournalEntry['failure']>;

/** What a report says of an error: its own code where it has one, never a stack. */
export function failureOf(error: unknown): Failure {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  return {
    code:
      typeof code === 'string'
        ? code.toLowerCase().replaceAll('_', '-').slice(0, 128)
        : 'agent-failed',
    message: String(message ?? 'The agent failed; look at its log.').slice(0, 1000),
  };
}

/** True for bytes that came damaged: fetching them again may help. */
export function isDamage(code: string): boolean {
  return code === 'blob-corrupt' || /^(?:blob|layer)-(?:digest|size)-mismatch$/.test(code);
}

/** Of a command that was interrupted, or never begun, because of a newer one that decides. */
export function supersededBy(newer: JournalEntry | undefined, fencingToken: number): Failure {
  const which =
    newer === undefined
      ? 'A newer command'
      : newer.fencingToken > fencingToken
        ? `Command ${newer.sequence} with the higher fencing token ${newer.fencingToken}`
        : `Command ${newer.sequence}`;
  return { code: 'superseded', message: `${which} came and is carried out instead.` };
}
