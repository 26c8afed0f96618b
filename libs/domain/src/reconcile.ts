import { type Discrepancy, type DiscrepancyCode, discrepancyId } from './discrepancy.ts';
import { packetAwaitedUntil } from './history.ts';
import type {
  HistoryFact,
  ReconcileFacts,
  UnarchivedFact,
  WorkflowFact,
} from './reconcile-facts.ts';

/** Seconds after which a state that is right for a moment counts as a discrepancy. */
export const RECONCILE_GRACE_SECONDS = {
  /** From the request of a promotion or release on: its start is on its way. */
  start: 5,
  /** From the end of a promotion on: its workflow gives the lease back and closes. */
  outlive: 120,
  /** From the close of a workflow on, or from when it no longer waits for a packet: it is archived. */
  archive: 120,
  /** From the moment a message was stored. */
  message: 60,
  /** From the last change of a target on: its agent tells of it with the next heartbeat. */
  heartbeat: 5,
} as const;

/** Days that a lost history is shown: nothing makes it come back. */
export const LOST_SHOWN_DAYS = 30;

const FILE_WORDS: Readonly<Record<Exclude<HistoryFact['file'], 'there'>, string>> = {
  missing: 'is not in the evidence store',
  damaged: 'has other bytes than its digest says',
  unreadable: 'cannot be read',
};

type Rule = (facts: ReconcileFacts) => readonly Omit<Discrepancy, 'code'>[];

const RULES: Readonly<Record<DiscrepancyCode, Rule>> = {
  'promotion-abandoned': (facts) =>
    facts.promotions.flatMap((promotion) => {
      const { promotionId, workflowId, settlementId, state, requestedAt, endedAt } = promotion;
      const workflow = facts.workflows.get(workflowId);
      const isLeftAlone =
        endedAt !== null ||
        workflow === undefined ||
        workflow.state === 'running' ||
        facts.workflows.get(settlementId)?.state === 'running' ||
        facts.pendingStarts.has(workflowId) ||
        facts.pendingStarts.has(settlementId) ||
        !isOlder(facts, requestedAt, RECONCILE_GRACE_SECONDS.start);
      if (isLeftAlone) return [];
      return [
        {
          subject: `promotion:${promotionId}`,
          message: `Promotion ${promotionId} is ${state}, but its workflow is ${wordOf(workflow)}.`,
          detail: { state, workflow: workflow.state },
        },
      ];
    }),

  'lease-of-ended': (facts) =>
    facts.endedHolders.flatMap(({ promotionId, resource, workflowId, settlementId }, index) => {
      // One at a time: the next round finds the promotion's other leases.
      if (facts.endedHolders[index - 1]?.promotionId === promotionId) return [];
      // Its own workflow gives the lease back as its last act.
      const isAtWork = [workflowId, settlementId].some(
        (id) => (facts.workflows.get(id)?.state ?? 'running') === 'running',
      );
      if (isAtWork) return [];
      return [
        {
          subject: `promotion:${promotionId}`,
          message: `Promotion ${promotionId} has ended, but it still has a place at ${resource}.`,
          detail: { resource },
        },
      ];
    }),

  'workflow-outlives-promotion': (facts) =>
    facts.promotions.flatMap(({ promotionId, workflowId, settlementId, state, ...rest }) => {
      const { endedAt, isSealed } = rest;
      if (endedAt === null || !isSealed) return [];
      if (!isOlder(facts, endedAt, RECONCILE_GRACE_SECONDS.outlive)) return [];
      return [workflowId, settlementId]
        .filter((id) => facts.workflows.get(id)?.state === 'running')
        .map((id) => ({
          subject: `workflow:${id}`,
          message: `Promotion ${promotionId} is ${state} and sealed since ${endedAt}, but workflow ${id} still runs.`,
          detail: { promotion: promotionId, workflowId: id, state, endedAt },
        }));
    }),

  'release-request-abandoned': (facts) =>
    facts.releaseRequests.flatMap(({ requestId, workflowId, createdAt }) => {
      const workflow = facts.workflows.get(workflowId);
      const isLeftAlone =
        workflow === undefined ||
        workflow.state === 'running' ||
        facts.pendingStarts.has(workflowId) ||
        !isOlder(facts, createdAt, RECONCILE_GRACE_SECONDS.start);
      if (isLeftAlone) return [];
      return [
        {
          subject: `release-request:${requestId}`,
          message: `Release request ${requestId} resolves since ${createdAt}, but its workflow is ${wordOf(workflow)}.`,
          detail: { workflow: workflow.state, createdAt },
        },
      ];
    }),

  'history-missing': (facts) => [
    ...facts.unarchived.flatMap((one) => {
      const { workflowId, lostAt } = one;
      const closedAt = facts.workflows.get(workflowId)?.closedAt ?? null;
      const isLeftAlone =
        lostAt !== null ||
        closedAt === null ||
        facts.pendingStarts.has(workflowId) ||
        !isOlder(facts, archivableFrom(one, closedAt), RECONCILE_GRACE_SECONDS.archive);
      if (isLeftAlone) return [];
      return [
        {
          subject: `workflow:${workflowId}`,
          message: `Workflow ${workflowId} closed at ${closedAt}, but its history is not archived.`,
          detail: { workflowId, closedAt },
        },
      ];
    }),
    ...facts.emptyArchives.map(({ workflowId, archivedAt }) => ({
      subject: `workflow:${workflowId}`,
      message: `Workflow ${workflowId} is marked as archived since ${archivedAt}, but no history of it is.`,
      detail: { workflowId, archivedAt },
    })),
  ],

  'history-lost': (facts) =>
    facts.unarchived.flatMap(({ workflowId, lostAt }) => {
      if (lostAt === null || isOlder(facts, lostAt, LOST_SHOWN_DAYS * 86_400)) return [];
      return [
        {
          subject: `workflow:${workflowId}`,
          message: `The engine had forgotten workflow ${workflowId} before its history was archived (noticed at ${lostAt}).`,
          detail: { workflowId, lostAt },
        },
      ];
    }),

  'history-damaged': ({ histories }) =>
    histories.flatMap(({ workflowId, runId, archiveDigest, file, error }) => {
      if (file === 'there') return [];
      const what = FILE_WORDS[file];
      return [
        {
          subject: `workflow:${workflowId}/${runId}`,
          message: `The archived history of ${workflowId}, run ${runId}, ${what}${error === null ? '' : ` (${error})`}.`,
          detail: { workflowId, runId, archiveDigest, file, error },
        },
      ];
    }),

  'workflow-stuck': ({ stuck }) =>
    stuck.map(({ workflowId, code, message }) => ({
      subject: `workflow:${workflowId}`,
      message,
      detail: { workflowId, problem: code },
    })),

  'target-differs': (facts) =>
    facts.targets.flatMap(({ target, recorded, quietSince, told, toldAt, isBusy }) => {
      if (isBusy || toldAt === null || told === recorded) return [];
      // What it said before the last change is no contradiction.
      const from = quietSince === null ? 0 : Date.parse(quietSince);
      if (Date.parse(toldAt) < from + RECONCILE_GRACE_SECONDS.heartbeat * 1000) return [];
      return [
        {
          subject: `target:${target}`,
          message: `The agent of ${target} says that ${told ?? 'nothing'} runs there; the records say ${recorded ?? 'nothing'}.`,
          detail: { recorded, told, toldAt },
        },
      ];
    }),

  'deployment-lost': ({ unsettledDeployments }) =>
    unsettledDeployments.map(({ promotionId, target }) => ({
      subject: `target:${target}`,
      message: `Promotion ${promotionId} has ended, but the agent of ${target} never told what became of its deployment.`,
      detail: { promotion: promotionId },
    })),

  'message-undelivered': (facts) =>
    facts.messages.flatMap(({ messageId, kind, workflowId, createdAt, attempts, lastError }) => {
      if (!isOlder(facts, createdAt, RECONCILE_GRACE_SECONDS.message)) return [];
      return [
        {
          subject: `message:${messageId}`,
          message: `Message ${messageId} (${kind}) to workflow ${workflowId} is not delivered since ${createdAt}.`,
          detail: { kind, workflowId, createdAt, attempts, lastError },
        },
      ];
    }),
};

/** All that disagrees, each once, in the order of the rules. Pure: the same facts give the same answer. */
export function findDiscrepancies(facts: ReconcileFacts): readonly Discrepancy[] {
  const found = new Map<string, Discrepancy>();
  for (const [code, rule] of Object.entries(RULES) as [DiscrepancyCode, Rule][]) {
    for (const one of rule(facts)) {
      const discrepancy = { code, ...one };
      const id = discrepancyId(discrepancy);
      if (!found.has(id)) found.set(id, discrepancy);
    }
  }
  return [...found.values()];
}

function isOlder({ now }: ReconcileFacts, since: string | number, seconds: number): boolean {
  const from = typeof since === 'string' ? Date.parse(since) : since;
  return Date.parse(now) - from > seconds * 1000;
}

/** From when on the archiver does not wait for anything, in milliseconds since 1970. */
function archivableFrom(one: UnarchivedFact, closedAt: string): number {
  const { awaitsPacket, promotionEndedAt } = one;
  if (awaitsPacket) return packetAwaitedUntil(closedAt, promotionEndedAt);
  // It was sealed when it ended, or soon after.
  return Math.max(Date.parse(closedAt), Date.parse(promotionEndedAt ?? closedAt));
}

function wordOf({ state }: WorkflowFact): string {
  return state === 'closed' ? 'over' : 'not known to the engine';
}
