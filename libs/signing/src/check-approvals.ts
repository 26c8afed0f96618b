import type { Statement } from '@sluice/domain';
import { isApprovalBinding } from './approval-binding.ts';
import { type ApprovalPredicate, readApprovalPredicate } from './approval-predicate.ts';
import { add, type PacketProblem } from './read-packet.ts';
import { isJsonObject } from './strict-json.ts';

/** What the promotion statement says of the approval that its rules asked for. */
interface Demand {
  readonly count: number;
  readonly roles: readonly unknown[];
  readonly requester: unknown;
  /** Digest of the newest plan set; undefined where the root names none. */
  readonly plan: string | undefined;
}

/** The approvals among a packet's statements, in their order. */
export function listApprovals(
  statements: readonly (Statement | undefined)[],
): readonly ApprovalPredicate[] {
  return statements.flatMap((statement) =>
    statement === undefined ? [] : (readApprovalPredicate(statement) ?? []),
  );
}

/**
 * A success under rules that ask for approval must carry it: enough different eligible people said yes to the plan, one
 * round of it, nobody no, and the requester is none of them. Adds `approval-missing` to the root otherwise. Not asked for is it where the
 * pipeline skipped every step that had to wait for it: see {@link isApprovalBinding}.
 * @param hasDeployments whether the packet has statements of deployments
 */
export function checkApprovals(
  root: Statement,
  approvals: readonly ApprovalPredicate[],
  hasDeployments: boolean,
  problems: PacketProblem[],
): void {
  const demand = readDemand(root);
  if (demand === undefined || !isApprovalBinding(root.predicate, hasDeployments)) return;
  if (demand !== 'malformed' && isSatisfied(demand, approvals)) return;
  const what = 'The rules in it ask for approval, but the packet does not hold enough of it.';
  add(problems, 'root', 'approval-missing', what);
}

/** Undefined where nobody had to be asked. */
function readDemand({ predicate }: Statement): Demand | 'malformed' | undefined {
  if (predicate['state'] !== 'succeeded' || predicate['kind'] === 'rollback') return undefined;
  const rules = predicate['rules'];
  const rule = isJsonObject(rules) ? rules['approval'] : undefined;
  if (!isJsonObject(rules) || rule === undefined || rule === null) return undefined;
  if (!isJsonObject(rule)) return 'malformed';
  const { count, roles } = rule;
  const requester = isJsonObject(rules['requester']) ? rules['requester']['personId'] : undefined;
  if (!Number.isSafeInteger(count) || (count as number) < 1 || !Array.isArray(roles)) {
    return 'malformed';
  }
  const plan = typeof predicate['plan'] === 'string' ? predicate['plan'] : undefined;
  return { count: count as number, roles, requester, plan };
}

function isSatisfied(demand: Demand, approvals: readonly ApprovalPredicate[]): boolean {
  const rounds = new Map<string, ApprovalPredicate[]>();
  for (const approval of approvals) {
    if (demand.plan !== undefined && approval.planDigest !== demand.plan) continue;
    const key = `${approval.round} ${approval.planDigest}`;
    rounds.set(key, [...(rounds.get(key) ?? []), approval]);
  }
  return [...rounds.values()].some((round) => {
    if (round.some(({ decision }) => decision === 'reject')) return false;
    const people = round
      .filter(({ person, role }) => person !== demand.requester && demand.roles.includes(role))
      .map(({ person }) => person);
    return new Set(people).size >= demand.count;
  });
}
