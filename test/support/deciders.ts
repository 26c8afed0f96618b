import { randomUUID } from 'node:crypto';
import type { PromotionAnswer, Reason } from './documents.ts';
import type { Answered, StackClient } from './stack-client.ts';

const REQUEST_PARTS = `fragment ApprovalParts on ApprovalRequest {
  id round state reason { code message } releaseDigest planDigest openedAt deadline
  rule { count roles } blockedForMe { code message }
  decisions { id principal decision comment recorded refusal { code message } }
}`;

const APPROVAL = `query ($id: ID!) {
  promotion(id: $id) { approval { ...ApprovalParts } approvals { ...ApprovalParts } supersededBy }
} ${REQUEST_PARTS}`;

const DECIDE = `mutation ($input: DecideApprovalInput!) {
  decideApproval(input: $input) {
    __typename ...ApprovalParts ... on Refusal { code message }
  }
} ${REQUEST_PARTS}`;

const ROLLBACK = `mutation ($input: RollbackEnvironmentInput!) {
  rollbackEnvironment(input: $input) {
    __typename ... on Promotion { id } ... on Refusal { code message }
  }
}`;

/** One request for approval as tests see it. */
export interface ApprovalAnswer {
  readonly id: string;
  readonly round: number;
  readonly state: string;
  readonly reason: Reason | null;
  readonly releaseDigest: string;
  readonly planDigest: string;
  readonly deadline: string;
  readonly blockedForMe: Reason | null;
  readonly decisions: readonly {
    readonly principal: string;
    readonly decision: string;
    readonly recorded: boolean;
    readonly refusal: Reason | null;
  }[];
}

/** What a decision says beside what was looked at. */
export interface DecisionInput {
  readonly decision?: 'APPROVE' | 'REJECT';
  readonly release?: string;
  readonly plan?: string;
  readonly comment?: string;
  readonly idempotencyKey?: string;
}

/** The newest request for approval of a promotion, all rounds, and which rollback took over. */
export async function readApprovals(
  client: StackClient,
  id: string,
): Promise<{
  readonly approval: ApprovalAnswer | null;
  readonly approvals: readonly ApprovalAnswer[];
  readonly supersededBy: string | null;
}> {
  const { promotion } = await client.ask<{
    promotion: {
      approval: ApprovalAnswer | null;
      approvals: readonly ApprovalAnswer[];
      supersededBy: string | null;
    };
  }>(APPROVAL, { id });
  return promotion;
}

/** Waits until a round of a promotion waits for a decision. */
export async function untilAsked(
  client: StackClient,
  id: string,
  round = 1,
  seconds = 60,
): Promise<ApprovalAnswer> {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const found = (await readApprovals(client, id)).approval;
    if (found !== null && found.round >= round && found.state === 'WAITING') return found;
    if (Date.now() > deadline) {
      throw new Error(`${id} did not ask in round ${round}: ${JSON.stringify(found)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** Decides on what stands there now, unless the input says otherwise. Asked once: a lost answer is an error. */
export async function decide(
  client: StackClient,
  id: string,
  input: DecisionInput = {},
): Promise<Answered<ApprovalAnswer>> {
  const { approval } = await readApprovals(client, id);
  const { decision = 'APPROVE', idempotencyKey = randomUUID(), comment = 'seen' } = input;
  const { data, errors } = await client.post<{ decideApproval: Answered<ApprovalAnswer> }>(DECIDE, {
    input: {
      promotion: id,
      decision,
      release: input.release ?? approval?.releaseDigest ?? `sha256:${'0'.repeat(64)}`,
      plan: input.plan ?? approval?.planDigest ?? `sha256:${'0'.repeat(64)}`,
      comment,
      idempotencyKey,
    },
  });
  if (data === null) throw new Error(`decideApproval: ${JSON.stringify(errors)}`);
  return data.decideApproval;
}

/** Waits until a promotion asks, and approves it; throws when that is refused. */
export async function approve(client: StackClient, id: string, round = 1): Promise<void> {
  await untilAsked(client, id, round);
  const answer = await decide(client, id);
  if (answer.__typename !== 'ApprovalRequest') {
    throw new Error(`${id} was not approved: ${JSON.stringify(answer)}`);
  }
}

/** Asks for a rollback; gives the promotion's id or the refusal. */
export async function rollBack(
  client: StackClient,
  input: {
    readonly environment: string;
    readonly to: 'LAST_VERIFIED' | 'RELEASE' | 'NOTHING';
    readonly release?: string;
    readonly idempotencyKey?: string;
  },
): Promise<Answered<Pick<PromotionAnswer, 'id'>>> {
  const { rollbackEnvironment } = await client.ask<{
    rollbackEnvironment: Answered<Pick<PromotionAnswer, 'id'>>;
  }>(ROLLBACK, { input: { reason: 'a test', idempotencyKey: randomUUID(), ...input } });
  return rollbackEnvironment;
}
