import { randomUUID } from 'node:crypto';
import { composePlanSet, isDigest } from '@sluice/domain';
import { planSetDigest } from '@sluice/pure';
import type { ApiClient } from './api-client.ts';
import type { ApprovalView, DifferenceView } from './approval-operations.ts';
import { assertNotRefused, type CommandContext } from './command-context.ts';
import { canAsk, confirm } from './confirmation.ts';
import {
  approvalsOf,
  describeDifference,
  describeRequest,
  releaseName,
} from './difference-text.ts';
import { CliError, EXIT_CODES, type ExitCode } from './exit-codes.ts';
import { OPERATIONS, type RefusalView } from './operations.ts';
import { assertPromotionId, noPromotion } from './promotion-reference.ts';

/** The same key counts once, so asking again when the engine was away is safe. */
const TRIES = 3;
const PAUSE_MS = 2000;
const MAX_COMMENT = 500;

/** What somebody decides. */
export interface DecideOptions {
  readonly decision: 'APPROVE' | 'REJECT';
  readonly comment?: string;
  /** The plan that they looked at before; the one that is shown now when undefined. */
  readonly plan?: string;
  readonly yes?: boolean;
  readonly full?: boolean;
  readonly idempotencyKey?: string;
}

interface ShownRequest extends ApprovalView {
  readonly difference: DifferenceView;
}

type DecideAnswer = (ApprovalView & { readonly __typename: 'ApprovalRequest' }) | RefusalView;

/**
 * Approves or rejects a promotion. An approval is shown first and binds to exactly what was shown: the difference must
 * be that of the plan digest which the decision names.
 */
export async function decideApproval(
  context: CommandContext,
  id: string,
  options: DecideOptions,
): Promise<ExitCode> {
  assertPromotionId(id);
  assertOptions(context, id, options);
  const api = context.api();
  const request = await getRequest(api, id, options);
  const { releaseDigest, planDigest, difference } = request;
  const isApproval = options.decision === 'APPROVE';
  if (isApproval) assertOfPlan(id, request);
  if (isApproval && context.options.json !== true) {
    context.io.out(describeRequest(request));
    context.io.out(describeDifference(difference, options.full === true));
    context.io.out(`\nrelease  ${releaseDigest}\nplan     ${planDigest}\n\n`);
  }
  if (options.plan !== undefined && options.plan !== planDigest) {
    const message = `The plan of ${id} is ${planDigest} now, not ${options.plan}.`;
    throw new CliError(EXIT_CODES.failed, 'plan-differs', message, lookFirst(id));
  }
  if (isApproval && options.yes !== true) {
    const { release, environment } = request.promotion;
    await confirm(context, `Approve ${releaseName(release)} for ${environment.name}?`);
  }
  const input = {
    promotion: id,
    decision: options.decision,
    release: releaseDigest,
    plan: planDigest,
    comment: options.comment ?? null,
    idempotencyKey: options.idempotencyKey ?? randomUUID(),
  };
  const answer = await askUntilAnswered(context, api, input);
  context.print({ ...answer, difference }, () => describeOutcome(answer));
  return EXIT_CODES.ok;
}

function assertOptions(context: CommandContext, id: string, options: DecideOptions): void {
  const { decision, plan, yes, comment = '' } = options;
  if (plan !== undefined && !isDigest(plan)) {
    const message = `--plan is "${plan}", which is no digest.`;
    throw usage('option-invalid', message, lookFirst(id));
  }
  if (comment.length > MAX_COMMENT) {
    const message = `--comment has ${comment.length} characters.`;
    throw usage('option-invalid', message, `Write at most ${MAX_COMMENT}.`);
  }
  if (decision === 'REJECT' || canAsk(context) || (yes === true && plan !== undefined)) return;
  const message = 'Nobody can be asked here: --yes and --plan must say what is approved.';
  throw usage('confirmation-missing', message, lookFirst(id));
}

async function getRequest(
  api: ApiClient,
  id: string,
  { idempotencyKey }: DecideOptions,
): Promise<ShownRequest> {
  const { promotion } = await api.run<{
    promotion: { readonly state: string; readonly approval: ShownRequest | null } | null;
  }>(OPERATIONS.promotionApproval, { id });
  if (promotion === null) throw noPromotion(id);
  const request = promotion.approval;
  if (request === null) {
    const message = `Promotion ${id} is ${promotion.state.toLowerCase()} and asks for no approval.`;
    const next = `See sluice promotion show ${id}, and sluice approvals.`;
    throw new CliError(EXIT_CODES.failed, 'approval-not-open', message, next);
  }
  // A key that was used before has its answer, whatever came afterwards: the API gives it.
  if (idempotencyKey !== undefined) return request;
  if (request.state !== 'WAITING') {
    const why = request.reason === null ? '' : ` (${request.reason.code})`;
    const message = `The approval of ${id} is ${request.state.toLowerCase()}${why} already.`;
    const next = `See sluice promotion show ${id}.`;
    throw new CliError(EXIT_CODES.failed, 'approval-closed', message, next);
  }
  if (request.blockedForMe !== null) {
    const { code, message } = request.blockedForMe;
    throw new CliError(EXIT_CODES.failed, code, message, 'Your inbox: sluice approvals.');
  }
  return request;
}

/** What is shown must be what is signed: the digests of the plans shown make the digest that the decision names. */
function assertOfPlan(id: string, { releaseDigest, planDigest, difference }: ShownRequest): void {
  const plans = difference.targets.map((plan) => ({
    target: plan.target.name,
    plan: plan.planDigest,
  }));
  if (planSetDigest(composePlanSet(id, releaseDigest, plans)) === planDigest) return;
  const message = `The API shows plans of ${id} that do not make the plan ${planDigest}.`;
  const next = 'Do not approve it; ask whoever runs the API.';
  throw new CliError(EXIT_CODES.failed, 'difference-of-another-plan', message, next);
}

async function askUntilAnswered(
  { io }: CommandContext,
  api: ApiClient,
  input: { readonly promotion: string; readonly idempotencyKey: string },
): Promise<ApprovalView> {
  for (let attempt = 1; ; attempt += 1) {
    const answer = await ask(api, input);
    if (answer.__typename !== 'EngineUnavailable') {
      assertNotRefused(answer, 'ApprovalRequest');
      return answer;
    }
    const { code, message } = answer as RefusalView;
    if (attempt >= TRIES) {
      const next = `Ask again, it counts once: the same command with --idempotency-key ${input.idempotencyKey}.`;
      throw new CliError(EXIT_CODES.unreachable, code, message, next);
    }
    io.err(`${code}; asking again …\n`);
    await io.sleep(PAUSE_MS);
  }
}

/** An API that did not answer may have heard it nevertheless: that is as an engine which did not. */
async function ask(api: ApiClient, input: object): Promise<DecideAnswer> {
  try {
    const { decideApproval: answer } = await api.run<{ decideApproval: DecideAnswer }>(
      OPERATIONS.decideApproval,
      { input },
    );
    return answer;
  } catch (error) {
    const { code, message } = error as CliError;
    if (code !== 'api-unreachable') throw error;
    return { __typename: 'EngineUnavailable', code, message };
  }
}

function describeOutcome({ state, rule, decisions, promotion }: ApprovalView): string {
  const { id } = promotion;
  const yes = decisions.filter(({ recorded, decision }) => recorded && decision === 'APPROVE');
  const said = state === 'WAITING' ? 'recorded' : state.toLowerCase();
  const count = `${yes.length} of ${approvalsOf(rule.count)}`;
  return `${id}: ${said}, ${count}.\nFollow it: sluice promotion watch ${id}\n`;
}

function lookFirst(id: string): string {
  return `Look first: sluice promotion show ${id} --difference.`;
}

function usage(code: string, message: string, next: string): CliError {
  return new CliError(EXIT_CODES.usage, code, message, next);
}
