import { NOTHING_NAME } from '@sluice/domain';
import { printable } from '@sluice/pure';
import type {
  ApprovalView,
  ChangeView,
  ComponentSideView,
  DifferenceView,
  FindingView,
  PlanSideView,
  ReleaseNameView,
  SaidView,
} from './approval-operations.ts';
import { minuteOf, shortDigest } from './progress-text.ts';
import { table, wrapped } from './text-layout.ts';

/** Lines of each list that are shown where all are not asked for. */
const SHORT_LIST = 20;

const NOT_KNOWN = 'not known: a side was never scanned, or its scan cannot be read';

const SIGNS: Readonly<Record<ChangeView, string>> = {
  ADDED: '+',
  REMOVED: '-',
  CHANGED: '~',
  UNCHANGED: ' ',
};

/**
 * What would change, for reading before a decision: what runs there, what would run, and the difference.
 * @param isFull every change that the API lists, not the first twenty of each list
 */
export function describeDifference(difference: DifferenceView, isFull: boolean): string {
  const { current, desired } = difference;
  const limit = isFull ? Number.POSITIVE_INFINITY : SHORT_LIST;
  return [
    `\n  runs now   ${printable(releaseName(current))}\n`,
    `  would run  ${printable(releaseName(desired))}\n`,
    describeComponents(difference),
    describePackages(difference, limit),
    describeFindings(difference, limit),
    describeTargets(difference, limit),
  ].join('');
}

/** What is asked for, of whom, and what was said so far. */
export function describeRequest(request: ApprovalView): string {
  const { promotion, state, rule, deadline, openedAt, decisions, reason } = request;
  const { id, release, environment, requestedBy } = promotion;
  const parts = [
    wrapped(`${id}  ${releaseName(release)} to ${environment.name}: ${state.toLowerCase()}`, 2),
    wrapped(`  requested by ${requestedBy}`, 4),
    wrapped(`  needs ${approvalsOf(rule.count)} from ${rule.roles.join(' or ')}`, 4),
    `  asked ${minuteOf(openedAt)}, open until ${minuteOf(deadline)} UTC\n`,
  ];
  if (reason !== null) parts.push(wrapped(`  ${reason.code}: ${reason.message}`, 4));
  return parts.join('') + describeSaid(decisions);
}

/** What was said about a request, a line for each. */
export function describeSaid(decisions: readonly SaidView[]): string {
  return decisions
    .map(({ principal, decision, comment, recorded, refusal }) => {
      const said = decision.toLowerCase();
      const doubt = refusal === null ? 'not counted yet' : `does not count (${refusal.code})`;
      const what = recorded ? said : `${said}, ${doubt}`;
      return wrapped(`  ${principal}: ${what}${comment === '' ? '' : `: ${comment}`}`, 4);
    })
    .join('');
}

/** What a promotion moves where: `hello@1.0.0 to dev`, or `dev rolls back to hello@1.0.0`. */
export function describeMove({
  kind,
  release,
  environment,
}: {
  readonly kind: string;
  readonly release: ReleaseNameView;
  readonly environment: { readonly name: string };
}): string {
  const what = releaseName(release);
  return kind === 'ROLLBACK'
    ? `${environment.name} rolls back to ${what}`
    : `${what} to ${environment.name}`;
}

/** `1 approval`, `2 approvals`. */
export function approvalsOf(count: number): string {
  return `${count} ${count === 1 ? 'approval' : 'approvals'}`;
}

/** A release by name and version; `nothing` where there is none. */
export function releaseName(release: ReleaseNameView | null): string {
  if (release === null || release.name === NOTHING_NAME) return NOTHING_NAME;
  return `${release.name}@${release.version}`;
}

function describeComponents({ components }: DifferenceView): string {
  if (components.length === 0) return '';
  const rows = components.map(({ name, change, from, to }) => [
    name,
    change.toLowerCase(),
    componentSide(from),
    change === 'UNCHANGED' ? '' : componentSide(to),
  ]);
  const columns = [{ title: 'COMPONENT' }, { title: 'CHANGE' }];
  return `\n${table([...columns, { title: 'FROM', shrinks: true }, { title: 'TO', shrinks: true }], rows)}`;
}

function componentSide(side: ComponentSideView | null): string {
  return side === null ? '' : `${side.version} ${side.digest.slice(0, 19)}`;
}

function describePackages({ packages }: DifferenceView, limit: number): string {
  if (packages === null) return `\npackages: ${NOT_KNOWN}\n`;
  const { changes, added, removed, changed, unchanged } = packages;
  const head = `\npackages: ${added} added, ${removed} removed, ${changed} changed, ${unchanged} unchanged\n`;
  const lines = changes.slice(0, limit).map(({ name, change, from, to }) => {
    const versions = [from, to].filter((version) => version !== null).join(' → ');
    return wrapped(`  ${SIGNS[change]} ${name} ${versions}`, 6);
  });
  return head + lines.join('') + rest(added + removed + changed - lines.length);
}

function describeFindings({ findings }: DifferenceView, limit: number): string {
  if (findings === null) return `\nfindings: ${NOT_KNOWN}\n`;
  const { newCount, resolvedCount, unchanged } = findings;
  const come = findings.new.slice(0, limit);
  const gone = findings.resolved.slice(0, limit);
  return [
    `\nfindings: ${newCount} new, ${resolvedCount} resolved, ${unchanged} unchanged\n`,
    ...come.map((finding) => describeFinding('+ new     ', finding)),
    rest(newCount - come.length),
    ...gone.map((finding) => describeFinding('- resolved', finding)),
    rest(resolvedCount - gone.length),
  ].join('');
}

function describeFinding(sign: string, { kind, rule, severity, place, title }: FindingView) {
  return wrapped(`  ${sign} ${severity} ${kind} ${rule} in ${place}: ${title}`, 6);
}

function describeTargets({ targets }: DifferenceView, limit: number): string {
  const parts = ['\ntargets:\n'];
  for (const { target, change, current, desired, planDigest, settings } of targets) {
    const sides = `${sideName(current)} → ${sideName(desired)}`;
    parts.push(wrapped(`  ${SIGNS[change]} ${target.name} (${target.address})  ${sides}`, 6));
    parts.push(`    plan ${planDigest}\n`);
    const changes = settings.filter((setting) => setting.change !== 'UNCHANGED');
    for (const setting of changes.slice(0, limit)) {
      const values = [setting.from, setting.to].filter((value) => value !== null).map(settingValue);
      parts.push(wrapped(`    ${SIGNS[setting.change]} ${setting.name}: ${values.join(' → ')}`, 8));
    }
    parts.push(rest(changes.length - limit, '    '));
  }
  return parts.join('');
}

function sideName(side: PlanSideView | null): string {
  if (side === null) return NOTHING_NAME;
  return side.name === null ? shortDigest(side.release) : `${side.name}@${side.version ?? '?'}`;
}

/** A secret is a reference; its name is shown, for nobody here knows more. */
function settingValue(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value);
  const { secret } = (value ?? {}) as { secret?: unknown };
  return typeof secret === 'string' ? `secret ${secret}` : JSON.stringify(value);
}

function rest(count: number, indent = '  '): string {
  return count > 0 ? `${indent}… and ${count} more (--full, or --json)\n` : '';
}
