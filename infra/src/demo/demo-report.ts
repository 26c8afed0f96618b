import type { Story } from './demo-story.ts';
import type { PromotionAnswer } from './operations.ts';

/** The document that `--json` prints; paths are absolute, states and outcomes lower-case. */
export type DemoDocument = {
  readonly promotions: readonly {
    /** `<name>@<version>`. */
    readonly release: string;
    readonly environment: string;
    readonly kind: string;
    readonly state: string;
    /** Seconds are null for a step that did not run. */
    readonly steps: readonly { name: string; state: string; seconds: number | null }[];
    /** Null when the gate was not reached. */
    readonly decision: { decision: string; reasonCodes: readonly string[] } | null;
    readonly evidencePacket: string;
  }[];
  readonly trustRoot: string;
};

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
      evidencePacket: packetFile,
    })),
    trustRoot: story.trustRootFile,
  };
}

/** The story as a table for people, with the reasons of each denial below it. */
export function toTable(story: Story): string {
  const rows = story.promotions.map(({ promotion }) => [
    promotion.id,
    `${promotion.release.name} ${promotion.release.version}`,
    promotion.state.toLowerCase(),
    promotion.steps.map(describeStep).join('  '),
    promotion.decision === null ? '–' : promotion.decision.decision.toLowerCase(),
  ]);
  const table = [['promotion', 'release', 'state', 'steps', 'decision'], ...rows];
  const widths = [0, 1, 2, 3, 4].map((column) =>
    Math.max(...table.map((row) => row[column]?.length ?? 0)),
  );
  const lines = table.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  const rule = '─'.repeat(Math.max(...lines.map((line) => line.length)));
  return [lines[0], rule, ...lines.slice(1), ...story.promotions.flatMap(describeDenial)].join(
    '\n',
  );
}

function describeStep({ id, state, seconds }: PromotionAnswer['steps'][number]): string {
  const signs: Readonly<Record<string, string>> = { SUCCEEDED: '✓', SKIPPED: '–', PENDING: '–' };
  const time = seconds === null ? '' : ` ${seconds.toFixed(1)}s`;
  return `${signs[state] ?? '✗'} ${id}${time}`;
}

function describeDenial({ promotion }: Story['promotions'][number]): string[] {
  const { decision } = promotion;
  if (decision === null || decision.decision !== 'DENY') {
    return [];
  }
  const reasons = decision.trace
    .filter(({ result }) => result === 'DENY')
    .flatMap(({ rule, finding, remedy }) => [
      `  rule     ${rule}`,
      `  finding  ${finding}`,
      `  to do    ${remedy}`,
    ]);
  return ['', `${promotion.id} was denied (${decision.reasonCodes.join(', ')}):`, ...reasons];
}
