import { approvalsOf, describeMove, describeSaid } from './difference-text.ts';
import type { PromotionView } from './operations.ts';
import { describeProblem } from './problem-text.ts';
import { minuteOf } from './progress-text.ts';
import { describeCompensation, describeSteps } from './step-text.ts';
import { table, wrapped } from './text-layout.ts';

const ROLLED_BACK_TO: Readonly<Record<NonNullable<PromotionView['rollbackTo']>, string>> = {
  LAST_VERIFIED: 'the release verified before',
  RELEASE: 'this release',
  NOTHING: 'nothing',
};

/** A promotion for reading: state, steps, why it was decided so and what to do about it. */
export function describePromotion(promotion: PromotionView): string {
  const { id, state, requestedBy, requestedAt } = promotion;
  const parts = [
    wrapped(`${id}  ${describeMove(promotion)}: ${state.toLowerCase()}`, 2),
    wrapped(`  requested  ${requestedAt} by ${requestedBy}`, 13),
  ];
  if (promotion.rollbackTo !== null) {
    const to = ROLLED_BACK_TO[promotion.rollbackTo];
    parts.push(wrapped(`  asked for  ${to}: ${promotion.requestedReason ?? ''}`, 13));
  }
  if (promotion.pipeline !== null) {
    const { name, version } = promotion.pipeline;
    parts.push(wrapped(`  pipeline   ${name}@${version}${givenText(promotion.parameters)}`, 13));
  }
  if (promotion.traceId !== null) parts.push(`  trace      ${promotion.traceId}\n`);
  if (promotion.reason !== null) {
    const { code, message } = promotion.reason;
    parts.push(wrapped(`  reason     ${code}: ${message}`, 13));
  }
  if (promotion.problem !== null) parts.push('\n', describeProblem(id, promotion.problem));
  parts.push('\n', describeSteps(promotion), describeCompensation(promotion));
  parts.push(describeDecision(promotion), describeApprovals(promotion));
  parts.push(describeDeployments(promotion));
  if (promotion.packet !== null) parts.push(`\npacket  ${promotion.packet.digest}\n`);
  return parts.join('');
}

function givenText(parameters: PromotionView['parameters']): string {
  const given = Object.entries(parameters).map(([key, value]) => `${key}=${JSON.stringify(value)}`);
  return given.length === 0 ? '' : `, ${given.join(', ')}`;
}

function describeDecision({ decision }: PromotionView): string {
  if (decision === null) return '';
  const codes = decision.reasonCodes.length > 0 ? ` (${decision.reasonCodes.join(', ')})` : '';
  const parts = ['\n', wrapped(`decision: ${decision.decision.toLowerCase()}${codes}`, 2)];
  for (const { rule, source, result, finding, remedy } of decision.trace) {
    parts.push(wrapped(`  ${result.toLowerCase()}  ${rule} (${source})`, 4));
    parts.push(wrapped(`    ${finding}`, 4));
    if (remedy !== '' && result !== 'ALLOW') parts.push(wrapped(`    To do: ${remedy}`, 4));
  }
  return parts.join('');
}

/** Who was asked, and what they said: each round, for a stale plan begins another one. */
function describeApprovals({ approvals }: PromotionView): string {
  return approvals
    .map(({ round, state, rule, reason, deadline, decisions }) => {
      const which = approvals.length > 1 ? `approval, round ${round}` : 'approval';
      const why = reason === null ? '' : ` (${reason.code})`;
      const asked = `${approvalsOf(rule.count)} from ${rule.roles.join(' or ')}`;
      const until = state === 'WAITING' ? ` until ${minuteOf(deadline)} UTC` : '';
      const head = `${which}: ${state.toLowerCase()}${why}, needs ${asked}${until}`;
      return `\n${wrapped(head, 2)}${describeSaid(decisions)}`;
    })
    .join('');
}

function describeDeployments({ deployments }: PromotionView): string {
  if (deployments.length === 0) return '';
  const rows = deployments.map(({ target, state, failure }) => [
    target.name,
    state.toLowerCase(),
    failure === null ? '' : `${failure.code}: ${failure.message}`,
  ]);
  const columns = [{ title: 'TARGET' }, { title: 'STATE' }, { title: 'FAILURE', shrinks: true }];
  return `\n${table(columns, rows)}`;
}
