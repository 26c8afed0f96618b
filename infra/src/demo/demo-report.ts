import { shortDigest } from './demo-difference.ts';
import type { Story, ToldService } from './demo-story.ts';
import type { PromotionAnswer } from './operations.ts';
import { wrapText } from './wrap-text.ts';

/** The document that `--json` prints; paths are absolute, states and outcomes lower-case. */
export type DemoDocument = {
  readonly promotions: readonly {
    /** `<name>@<version>`. */
    readonly release: string;
    readonly environment: string;
    /** `promote` or `rollback`. */
    readonly kind: string;
    readonly state: string;
    /** Seconds are null for a step that did not run. */
    readonly steps: readonly { name: string; state: string; seconds: number | null }[];
    /** Null when no gate was reached. */
    readonly decision: { decision: string; reasonCodes: readonly string[] } | null;
    /** What was recorded; empty where nobody was asked. */
    readonly approvals: readonly { principal: string; decision: string; plan: string }[];
    readonly evidencePacket: string;
  }[];
  /** What answers when the story has ended; a version is null where nothing does. */
  readonly services: readonly ToldService[];
  readonly trustRoot: string;
};

/** The widest line of the table, in characters. */
export const REPORT_WIDTH = 100;

/** The story as a document for programs. */
export function toDocument(story: Story): DemoDocument {
  return {
    promotions: story.promotions.map(({ promotion, packetFile }) => ({
      release: `${promotion.release.name}@${promotion.release.version}`,
      environment: promotion.environment.name,
      kind: promotion.kind.toLowerCase(),
      state: promotion.state.toLowerCase(),
      steps: promotion.steps.map(({ id, state, seconds }) => ({
        name: id,
        state: state.toLowerCase(),
        seconds,
      })),
      decision:
        promotion.decision === null
          ? null
          : {
              decision: promotion.decision.decision.toLowerCase(),
              reasonCodes: promotion.decision.reasonCodes,
            },
      approvals: listDecisions(promotion),
      evidencePacket: packetFile,
    })),
    services: story.services,
    trustRoot: story.trustRootFile,
  };
}

/** The story as a table for people, with what has to be known about each promotion below it. */
export function toTable(story: Story): string {
  const names = [
    ...new Set(story.promotions.flatMap(({ promotion }) => promotion.steps.map(({ id }) => id))),
  ];
  // A rollback lacks the first ones: the order is that of the longest.
  const order = [...story.promotions]
    .sort((left, right) => right.promotion.steps.length - left.promotion.steps.length)
    .flatMap(({ promotion }) => promotion.steps.map(({ id }) => id));
  names.sort((left, right) => order.indexOf(left) - order.indexOf(right));
  const rows = story.promotions.map(({ promotion }) => [
    promotion.id,
    `${promotion.kind === 'ROLLBACK' ? '↩ ' : ''}${promotion.release.name} ${promotion.release.version}`,
    promotion.state.toLowerCase(),
    ...names.map((name) => describeStep(promotion.steps.find(({ id }) => id === name))),
    promotion.decision === null ? '' : promotion.decision.decision.toLowerCase(),
  ]);
  const table = [['promotion', 'release', 'state', ...names, 'decision'], ...rows];
  const widths = (table[0] ?? []).map((_, column) =>
    Math.max(...table.map((row) => row[column]?.length ?? 0)),
  );
  const lines = table.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  const rule = '─'.repeat(Math.max(...lines.map((line) => line.length)));
  return [
    ...[lines[0], rule, ...lines.slice(1), rule],
    '✓ done  ✗ failed  ↩ put back  – not reached, with seconds; ↩ before a release: a rollback',
    ...story.promotions.flatMap(({ promotion }) => describe(promotion)),
    ...['', 'now answering:'],
    ...story.services.map(
      ({ environment, url, version }) =>
        `  ${environment.padEnd(10)}  ${version ?? 'nothing'}  ${url}`,
    ),
  ].join('\n');
}

function listDecisions({
  approvals,
}: PromotionAnswer): { principal: string; decision: string; plan: string }[] {
  return approvals.flatMap(({ decisions, planDigest }) =>
    decisions
      .filter(({ recorded }) => recorded)
      .map(({ principal, decision }) => ({
        principal,
        decision: decision.toLowerCase(),
        plan: planDigest,
      })),
  );
}

const SIGNS: Readonly<Record<string, string>> = {
  SUCCEEDED: '✓',
  REVERTED: '↩',
  SKIPPED: '–',
  PENDING: '–',
};

function describeStep(step: PromotionAnswer['steps'][number] | undefined): string {
  if (step === undefined) {
    return '';
  }
  return `${SIGNS[step.state] ?? '✗'}${step.seconds === null ? '' : ` ${step.seconds.toFixed(1)}`}`;
}

function describe(promotion: PromotionAnswer): string[] {
  const { id, kind, state, reason, release } = promotion;
  const decisions = listDecisions(promotion);
  if (decisions.length > 0) {
    const said = decisions.map(
      ({ principal, decision, plan }) => `${decision} by ${principal}, plan ${shortDigest(plan)}`,
    );
    return ['', `${id} had its second person:`, ...said.map((line) => `  ${line}`)];
  }
  if (promotion.decision?.decision === 'DENY') {
    return describeDenial(promotion);
  }
  if (kind === 'ROLLBACK' && state === 'SUCCEEDED') {
    return [
      '',
      `${id} was a rollback to ${release.name} ${release.version}, ${state.toLowerCase()}.`,
    ];
  }
  if (reason !== null && state !== 'SUCCEEDED') {
    const why = wrapText(reason.message, REPORT_WIDTH - 2).map((line) => `  ${line}`);
    return ['', `${id} was ${state.toLowerCase()} (${reason.code}):`, ...why];
  }
  return [];
}

function describeDenial({ id, decision }: PromotionAnswer): string[] {
  const entry = (name: string, text: string): string[] =>
    wrapText(text, REPORT_WIDTH - 11).map(
      (line, place) => `  ${(place === 0 ? name : '').padEnd(9)}${line}`,
    );
  const reasons = (decision?.trace ?? [])
    .filter(({ result }) => result === 'DENY')
    .flatMap(({ rule, finding, remedy }) => [
      ...entry('rule', rule),
      ...entry('finding', finding),
      ...entry('to do', remedy),
    ]);
  return ['', `${id} was denied (${decision?.reasonCodes.join(', ')}):`, ...reasons];
}
