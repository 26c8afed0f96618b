import { printable } from '@sluice/pure';
import type { PromotionAt } from './promotion-at.ts';
import { type Palette, shortDigest, shortName } from './text.ts';

const MARKS: Readonly<Record<string, string>> = {
  pending: '·',
  running: '▶',
  waiting: '◷',
  succeeded: '✓',
  failed: '✗',
  skipped: '-',
  cancelled: '✗',
  reverted: '↩',
};

/** A promotion at an event as a person reads it; ends in a line feed. */
export function formatPromotionAt(seen: PromotionAt, palette: Palette): string {
  const lines = [
    `${shortName(seen.workflowId)} at event ${seen.event} of ${seen.events}: ${seen.eventType}`,
    palette.dim(`${seen.at}, run ${printable(seen.runId)}`),
    '',
  ];
  if (seen.state !== null) {
    const token = seen.fencingToken === null ? '' : `, lease with token ${seen.fencingToken}`;
    lines.push(`State      ${seen.state}${token}`);
  }
  const { approval } = seen;
  if (approval !== null) {
    lines.push(
      `Approval   ${approval.state}, round ${approval.round}, plan ${shortDigest(approval.planDigest)}, until ${approval.deadline}`,
    );
  }
  lines.push(...section('Steps', stepLines(seen, palette)));
  lines.push(
    ...section(
      'Waits for',
      seen.blockers.map(({ message }) => message),
    ),
  );
  lines.push(
    ...section(
      'Timers',
      seen.timers.map(({ event, fires }) => `event ${event}, fires ${fires}`),
    ),
  );
  lines.push(...section('Decisions', decisionLines(seen)));
  return `${lines.join('\n')}\n`;
}

function section(title: string, lines: readonly string[]): readonly string[] {
  return lines.length === 0 ? [] : ['', title, ...lines.map((line) => `  ${line}`)];
}

function stepLines(
  { steps }: PromotionAt,
  { green, red, yellow, dim }: Palette,
): readonly string[] {
  const tones: Readonly<Record<string, (text: string) => string>> = {
    succeeded: green,
    failed: red,
    pending: dim,
    skipped: dim,
    cancelled: yellow,
    reverted: yellow,
    waiting: yellow,
  };
  const width = Math.max(0, ...steps.map(({ id }) => id.length));
  return steps.map(({ id, state, reason }) => {
    const tone = tones[state] ?? ((text: string) => text);
    const why = reason === null ? '' : `  ${printable(`${reason.code}: ${reason.message}`)}`;
    return `${tone(MARKS[state] ?? '?')} ${printable(id).padEnd(width)}  ${tone(state)}${why}`;
  });
}

function decisionLines({ decisions }: PromotionAt): readonly string[] {
  return decisions.map(({ event, step, kind, by, outcome, reason }) => {
    const who = by === undefined ? kind : `${kind} by ${by}`;
    const where = step === null ? '' : `step ${step}, `;
    return printable(
      `event ${event}: ${where}${who}: ${outcome}${reason === null ? '' : ` (${reason})`}`,
    );
  });
}
