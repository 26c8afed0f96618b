import { readFile } from 'node:fs/promises';
import type { Stack } from '@sluice/infra';
import { createPool, verifyEventChain, withTenant } from '@sluice/persistence';
import { parseTrustRoot, verifyPacket } from '@sluice/signing';
import { findDisagreements } from '../agreement.ts';
import type { PromotionAnswer } from '../documents.ts';
import { connectEngine } from '../event-kills/kill-at-event.ts';
import { queryStack } from '../promotion-checks.ts';
import { findService } from '../service-images.ts';
import { waitFor } from '../wait-for.ts';
import type { ChaosStory } from './chaos-plan.ts';
import type { ChaosStage } from './chaos-stack.ts';
import type { PlayedChaos } from './play-promotion.ts';
import { readTimeline, type Timeline } from './timeline.ts';

/** Something that must not be, with all that is known of the promotion it is about. */
export interface Violation {
  /** Absent: it is about the whole. */
  readonly promotion?: string;
  readonly story?: ChaosStory;
  readonly state?: string;
  readonly problems: readonly string[];
  readonly timeline?: Timeline;
}

/** How each story may end: as its people want it, or as they do when it had ended before they were heard. */
const ENDINGS: Readonly<Record<ChaosStory, readonly string[]>> = {
  succeeded: ['SUCCEEDED'],
  denied: ['DENIED'],
  rejected: ['DENIED'],
  cancelled: ['CANCELLED', 'SUCCEEDED'],
  reverted: ['REVERTED'],
  'rolled-back': ['SUCCEEDED'],
};

/** Ends that a run of faults brings: a rollback took the environment, or a process was away longer than a deadline. */
function isExcused(story: ChaosStory, state: string, code = ''): boolean {
  if (code === 'superseded') return state === 'CANCELLED';
  // Verification did not find it healthy in time: also when nobody was there to look.
  const isLate = code.endsWith('-deadline-exceeded') || code === 'target-unhealthy';
  return isLate && (state === 'FAILED' || (state === 'REVERTED' && story !== 'denied'));
}

const AT_ONCE = 4;

/** Judges every promotion of a run; gives its end states with what is wrong. */
export async function judgePromotions(
  { made, manager }: ChaosStage,
  played: readonly PlayedChaos[],
): Promise<{
  readonly states: Readonly<Record<string, number>>;
  readonly violations: Violation[];
}> {
  const { stack } = made;
  const trustRoot = parseTrustRoot(await readFile(stack.trustRootFile));
  const states: Record<string, number> = {};
  const violations: Violation[] = [];
  const queue = [...played];
  const judgeNext = async (): Promise<void> => {
    for (let one = queue.shift(); one !== undefined; one = queue.shift()) {
      const { id, story, trouble } = one;
      const promotion = await manager.promotion(id);
      const { state, reason } = promotion;
      const key = `${story}: ${state}${reason === null ? '' : ` ${reason.code}`}`;
      states[key] = (states[key] ?? 0) + 1;
      const problems = [
        ...(trouble === undefined ? [] : [trouble]),
        ...(await findDisagreements(stack, promotion)),
        ...findPacketProblems(promotion, trustRoot),
      ];
      if (!ENDINGS[story].includes(state) && !isExcused(story, state, reason?.code)) {
        problems.push(`${story}, it ended ${state} (${reason?.code}: ${reason?.message})`);
      }
      if (problems.length > 0) {
        const timeline = await readTimeline(stack, id);
        violations.push({ promotion: id, story, state, problems, timeline });
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, judgeNext));
  return { states: Object.fromEntries(Object.entries(states).sort()), violations };
}

/** What is wrong with a promotion's packet: its signatures, or whom it tells of. */
export function findPacketProblems(
  { packet, id, state }: PromotionAnswer,
  trustRoot: ReturnType<typeof parseTrustRoot>,
): readonly string[] {
  if (packet === null) return ['it has no packet'];
  const { ok, problems, promotion } = verifyPacket(JSON.parse(packet.document), trustRoot);
  if (!ok) return problems.map(({ message }) => `its packet: ${message}`);
  const { promotionId, state: told } = promotion as { promotionId?: string; state?: string };
  return promotionId === id && told === state.toLowerCase()
    ? []
    : [`its packet tells of ${promotionId}, ${told}`];
}

/** How long what follows the last end may take: deliveries, links, returned leases, archived histories. Seconds. */
const SETTLE_SECONDS = 150;

/** What is wrong with the whole, when every promotion has ended. */
export async function judgeWhole({ made, manager }: ChaosStage): Promise<readonly Violation[]> {
  const { stack } = made;
  const problems: string[] = [];
  const judge = async (what: string, find: () => Promise<readonly string[]>): Promise<void> => {
    let last: readonly string[] = [];
    await waitFor(
      what,
      async () => {
        last = await find().catch((error: unknown) => [`cannot be judged: ${String(error)}`]);
        return last.length === 0;
      },
      { seconds: SETTLE_SECONDS, everyMs: 500 },
    ).catch(() => problems.push(...last.map((problem) => `${what}: ${problem}`)));
  };
  await Promise.all([
    judge('records', () => findOpenRecords(stack)),
    judge('fencing', () => findFencingProblems(stack)),
    judge('events', () => findChainProblems(stack)),
    judge('engine', () => findOpenRuns(stack)),
    judge('targets', async () => {
      const { targets } = await manager.ask<{ targets: { name: string }[] }>(
        '{ targets { name } }',
      );
      const found = await Promise.all(
        targets.map(async ({ name }) => {
          const { currentRelease, agent } = await manager.target(name);
          const answers = await findService(stack.getServicePort(name));
          return [
            ...(answers?.version === currentRelease?.version
              ? []
              : [`${answers?.version} answers on ${name}, recorded is ${currentRelease?.version}`]),
            ...(agent?.state === 'ONLINE' ? [] : [`the agent of ${name} is ${agent?.state}`]),
          ];
        }),
      );
      return found.flat();
    }),
  ]);
  return problems.length === 0 ? [] : [{ problems }];
}

/** Counts that must come to nothing. */
const OPEN: Readonly<Record<string, string>> = {
  'promotions have not ended': 'select from sluice.promotions where ended_at is null',
  'leases are held': 'select from sluice.leases where holder is not null',
  'places in a queue are taken': 'select from sluice.lease_queue',
  'messages were not delivered': 'select from sluice.outbox where delivered_at is null',
  'events are not linked': 'select from sluice.events where position is null',
  'approvals are asked for': `select from sluice.approval_requests where state = 'waiting'`,
  'commands have no final report': 'select from sluice.commands where settled_at is null',
  'releases are being resolved': `select from sluice.release_requests where state = 'resolving'`,
  'histories are not archived':
    'select from sluice.workflow_executions where archived_at is null and lost_at is null',
  'histories were lost': 'select from sluice.workflow_executions where lost_at is not null',
  'problems stand': 'select from sluice.workflow_problems',
  'discrepancies stand': 'select from sluice.discrepancies',
};

/** What a stack still has to do, when everything has ended; empty when that is nothing. */
export async function findOpenRecords(stack: Stack): Promise<readonly string[]> {
  const counted = await Promise.all(
    Object.entries(OPEN).map(async ([what, sql]) => {
      const { length } = await queryStack(stack, sql);
      return length === 0 ? [] : [`${length} ${what}`];
    }),
  );
  return counted.flat();
}

/** Commands to one target never go back to an older fencing token: no two promotions had one environment at a time. */
async function findFencingProblems(stack: Stack): Promise<readonly string[]> {
  const rows = await queryStack<{ target: string; sequence: string; promotion: string }>(
    stack,
    `select target_id as target, sequence, promotion_id as promotion from (
       select *, lag(fencing_token) over (partition by tenant_id, target_id order by sequence) as before
       from sluice.commands) as c
     where fencing_token < before`,
  );
  return rows.map(
    ({ target, sequence, promotion }) =>
      `command ${sequence} to ${target}, of ${promotion}, has an older token than the one before it`,
  );
}

async function findChainProblems(stack: Stack): Promise<readonly string[]> {
  const pool = createPool({
    connectionString: stack.databaseUrls['sluice_app'] ?? '',
    applicationName: 'chaos-judge',
  });
  try {
    const verdict = await withTenant(pool, stack.tenant, (tx) => verifyEventChain(tx));
    return verdict.ok ? [] : [verdict.message];
  } finally {
    await pool.close();
  }
}

async function findOpenRuns(stack: Stack): Promise<readonly string[]> {
  const engine = await connectEngine(stack);
  try {
    const problems: string[] = [];
    for await (const { workflowId } of engine.workflow.list({
      query: `ExecutionStatus = 'Running'`,
    })) {
      problems.push(`${workflowId} runs`);
    }
    return problems;
  } finally {
    await engine.connection.close();
  }
}
