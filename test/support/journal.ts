import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Stack } from '@sluice/infra';

/** One line of an agent's journal, as contracts settle it, with what this agent adds. */
export interface JournalLine {
  readonly sequence: number;
  readonly idempotencyKey: string | null;
  readonly stage: string;
  readonly releaseDigest: string | null;
  readonly at: string;
  readonly commandDigest: string;
  readonly failure: { readonly code: string; readonly message: string } | null;
}

/** All lines of a target's journal; none when it has no journal. A torn last line is left out. */
export async function readJournal(
  stack: Pick<Stack, 'layout'>,
  target: string,
): Promise<readonly JournalLine[]> {
  const file = join(stack.layout.agentsDir, target, 'journal.jsonl');
  const text = await readFile(file, 'utf8').catch(() => '');
  const whole = text.slice(0, text.lastIndexOf('\n') + 1);
  return whole
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as JournalLine);
}

/** What contradicts "each effect once" in a journal; empty when nothing does. */
export function findRepeatedEffects(lines: readonly JournalLine[]): readonly string[] {
  const seen = new Set<string>();
  const problems: string[] = [];
  for (const { commandDigest, stage, idempotencyKey, sequence } of lines) {
    for (const key of [
      `stage ${stage} of command ${commandDigest}`,
      ...(stage === 'accepted' ? [`acceptance of ${idempotencyKey}`, `sequence ${sequence}`] : []),
    ]) {
      if (seen.has(key)) problems.push(`twice: ${key}`);
      seen.add(key);
    }
  }
  for (const { commandDigest, sequence } of lines.filter(({ stage }) => stage === 'accepted')) {
    const finals = lines.filter(
      (line) =>
        line.commandDigest === commandDigest &&
        ['confirmed', 'reverted', 'refused'].includes(line.stage),
    );
    if (finals.length !== 1) problems.push(`command ${sequence} has ${finals.length} ends`);
  }
  return problems;
}

/** The stages of the command with this idempotency key, in order. */
export function stagesOf(lines: readonly JournalLine[], idempotencyKey: string): readonly string[] {
  return lines.filter((line) => line.idempotencyKey === idempotencyKey).map(({ stage }) => stage);
}
