import { setTimeout as sleep } from 'node:timers/promises';
import type { GraphqlClient } from './graphql-client.ts';
import type {
  ApprovalAnswer,
  PromotionAnswer,
  RefusalAnswer,
  RequestAnswer,
} from './operations.ts';
import {
  APPROVAL,
  CREATE_RELEASE,
  DECIDE_APPROVAL,
  PROMOTION_BY_ID,
  PROMOTION_PACKET,
  RELEASE_REQUEST,
  REQUEST_PROMOTION,
  ROLLBACK,
  TRUST_ROOT,
} from './operations.ts';

/** The API refused what the demo asked for, or did not come to an end in time. */
export class DemoError extends Error {
  readonly code: 'demo-refused' | 'demo-timeout' | 'demo-unexpected';

  constructor(code: DemoError['code'], message: string) {
    super(message);
    this.name = 'DemoError';
    this.code = code;
  }
}

/** A release as the demo needs it. */
export type DemoRelease = NonNullable<RequestAnswer['release']>;

/** How often the demo looks. */
export const POLL_MS = 300;
const ENDED = ['SUCCEEDED', 'DENIED', 'FAILED', 'REVERTED', 'CANCELLED'];

/**
 * Creates a release from a tag and waits until the tag is resolved.
 *
 * @throws DemoError `demo-refused` with the refusal's code and message, or `demo-timeout` after a
 *   minute.
 */
export async function createRelease(
  ask: GraphqlClient,
  input: { readonly name: string; readonly version: string; readonly source: string },
  pollMs: number = POLL_MS,
): Promise<DemoRelease> {
  const { name, version, source } = input;
  const { createRelease: answer } = await ask<{ createRelease: Union<RequestAnswer> }>(
    CREATE_RELEASE,
    {
      input: {
        name,
        version,
        components: [{ name, source, reference: version }],
        idempotencyKey: `demo-release-${name}-${version}`,
      },
    },
  );
  let request = getMember(answer, 'ReleaseRequest');
  const deadline = Date.now() + 60_000;
  while (request.state === 'RESOLVING') {
    if (Date.now() > deadline) {
      throw new DemoError(
        'demo-timeout',
        `Release ${name} ${version} was not resolved within 60 s.`,
      );
    }
    await sleep(pollMs);
    request = (await ask<{ releaseRequest: RequestAnswer }>(RELEASE_REQUEST, { id: request.id }))
      .releaseRequest;
  }
  if (request.release === null) {
    const { code, message } = request.refusal ?? { code: 'unknown', message: 'no reason given' };
    throw new DemoError(
      'demo-refused',
      `Release ${name} ${version} was refused (${code}): ${message}`,
    );
  }
  return request.release;
}

/** Requests a promotion under an idempotency key. @throws DemoError `demo-refused`. */
export async function requestPromotion(
  ask: GraphqlClient,
  release: string,
  environment: string,
  idempotencyKey: string,
): Promise<PromotionAnswer> {
  const { requestPromotion: answer } = await ask<{ requestPromotion: Union<PromotionAnswer> }>(
    REQUEST_PROMOTION,
    { input: { release, environment, idempotencyKey } },
  );
  return getMember(answer, 'Promotion');
}

/** Asks for an environment's last verified release. @throws DemoError `demo-refused`. */
export async function requestRollback(
  ask: GraphqlClient,
  environment: string,
  reason: string,
  idempotencyKey: string,
): Promise<PromotionAnswer> {
  const { rollbackEnvironment: answer } = await ask<{
    rollbackEnvironment: Union<PromotionAnswer>;
  }>(ROLLBACK, { input: { environment, to: 'LAST_VERIFIED', reason, idempotencyKey } });
  return getMember(answer, 'Promotion');
}

/** What the one who decides looks at. @throws DemoError `demo-unexpected` when nobody is asked. */
export async function getApproval(ask: GraphqlClient, promotion: string): Promise<ApprovalAnswer> {
  const answer = await ask<{ promotion: { approval: ApprovalAnswer | null } | null }>(APPROVAL, {
    id: promotion,
  });
  const approval = answer.promotion?.approval ?? undefined;
  if (approval === undefined) {
    throw new DemoError('demo-unexpected', `Promotion ${promotion} asks nobody for an approval.`);
  }
  return approval;
}

/** Approves exactly what was looked at. @throws DemoError `demo-refused`. */
export async function approve(
  ask: GraphqlClient,
  promotion: string,
  { releaseDigest, planDigest }: ApprovalAnswer,
  idempotencyKey: string,
): Promise<void> {
  const { decideApproval } = await ask<{ decideApproval: Union<{ readonly state: string }> }>(
    DECIDE_APPROVAL,
    {
      input: {
        promotion,
        decision: 'APPROVE',
        release: releaseDigest,
        plan: planDigest,
        comment: 'looks as planned',
        idempotencyKey,
      },
    },
  );
  getMember(decideApproval, 'ApprovalRequest');
}

/** Who wants to know what while a promotion is followed. */
export type Followers = {
  /** Told about each step's state when it changes. */
  readonly onStep: (step: PromotionAnswer['steps'][number]) => void;
  /** Called once for each round in which people are asked; waited for. */
  readonly onApproval?: (promotion: PromotionAnswer) => Promise<void>;
  /** {@link POLL_MS} when absent. */
  readonly pollMs?: number;
};

/**
 * Follows a promotion until it has ended and is sealed.
 *
 * @throws DemoError `demo-timeout` after the given seconds.
 */
export async function followPromotion(
  ask: GraphqlClient,
  id: string,
  withinSeconds: number,
  { onStep, onApproval, pollMs = POLL_MS }: Followers,
): Promise<PromotionAnswer> {
  const seen = new Map<string, string>();
  const asked = new Set<number>();
  const deadline = Date.now() + withinSeconds * 1000;
  for (;;) {
    const { promotion } = await ask<{ promotion: PromotionAnswer }>(PROMOTION_BY_ID, { id });
    for (const step of promotion.steps) {
      if (seen.get(step.id) !== step.state && step.state !== 'PENDING') {
        onStep(step);
      }
      seen.set(step.id, step.state);
    }
    const round = promotion.approvals.find(({ state }) => state === 'WAITING')?.round;
    if (round !== undefined && !asked.has(round)) {
      asked.add(round);
      await onApproval?.(promotion);
    }
    if (ENDED.includes(promotion.state) && promotion.packet !== null) {
      return promotion;
    }
    if (Date.now() > deadline) {
      const steps = promotion.steps
        .map((step) => `${step.id} ${step.state.toLowerCase()}`)
        .join(', ');
      throw new DemoError(
        'demo-timeout',
        `Promotion ${id} did not end within ${withinSeconds} s: it is ${promotion.state.toLowerCase()} (${steps}).`,
      );
    }
    await sleep(pollMs);
  }
}

/** The sealed packet's text. @throws DemoError `demo-unexpected` when there is none. */
export async function getPacket(ask: GraphqlClient, id: string): Promise<string> {
  const { promotion } = await ask<{ promotion: { packet: { document: string } | null } | null }>(
    PROMOTION_PACKET,
    { id },
  );
  if (promotion?.packet === null || promotion?.packet === undefined) {
    throw new DemoError('demo-unexpected', `Promotion ${id} has no packet.`);
  }
  return promotion.packet.document;
}

/** The trust root's text. */
export async function getTrustRoot(ask: GraphqlClient): Promise<string> {
  return (await ask<{ trustRoot: { document: string } }>(TRUST_ROOT)).trustRoot.document;
}

type Union<Member> =
  | ({ readonly __typename: string } & Member)
  | ({ readonly __typename: string } & RefusalAnswer);

function getMember<Member>(answer: Union<Member>, typename: string): Member {
  if (answer.__typename !== typename) {
    const { code, message } = answer as RefusalAnswer;
    throw new DemoError(
      'demo-refused',
      `The API refused (${answer.__typename}, ${code}): ${message}`,
    );
  }
  return answer as Member;
}
