import type { ApprovalAnswer, DifferenceAnswer } from './operations.ts';

/** What an approver looks at before they decide, in lines for people. */
export function describeDifference({ difference, planDigest }: ApprovalAnswer): string[] {
  const { current, desired, components, targets } = difference;
  const changes = components.map(({ name, change, from, to }) => {
    const sides = [from, to].map((side) =>
      side === null ? 'none' : `${side.version} (${shortDigest(side.digest)})`,
    );
    return change === 'UNCHANGED'
      ? `component ${name}: the same, ${sides[1]}`
      : `component ${name}: ${sides.join(' → ')}`;
  });
  return [
    `now ${nameOf(current)}, then ${nameOf(desired)}`,
    ...changes,
    `packages: ${describePackages(difference.packages)}`,
    `findings: ${describeFindings(difference.findings)}`,
    ...targets.map(describeTarget),
    `plan ${shortDigest(planDigest)}`,
  ];
}

function nameOf(side: DifferenceAnswer['current']): string {
  return side === null ? 'nothing' : `${side.name} ${side.version}`;
}

function describePackages(packages: DifferenceAnswer['packages']): string {
  if (packages === null) {
    return 'not known on both sides';
  }
  const { added, removed, changed, unchanged } = packages;
  return `${added} added, ${removed} removed, ${changed} changed, ${unchanged} the same`;
}

function describeFindings(findings: DifferenceAnswer['findings']): string {
  if (findings === null) {
    return 'not known on both sides';
  }
  const { newCount, resolvedCount, unchanged } = findings;
  return `${newCount} new, ${resolvedCount} resolved, ${unchanged} the same`;
}

function describeTarget({ target, change, settings }: DifferenceAnswer['targets'][number]): string {
  const changed = settings.filter((setting) => setting.change !== 'UNCHANGED');
  const names = changed.map(({ name, change: how }) => `${how.toLowerCase()} ${name}`);
  const what = names.length === 0 ? 'settings stay' : `settings: ${names.join(', ')}`;
  return `${target.name}: ${change.toLowerCase()}, ${what}`;
}

/** Enough of a digest to tell it from another one. */
export function shortDigest(digest: string): string {
  return `${digest.slice(0, 19)}…`;
}
