import type { Stack } from '@sluice/infra';
import pg from 'pg';
import type { PromotionAnswer } from './documents.ts';
import { findRepeatedEffects, readJournal } from './journal.ts';
import { waitFor } from './wait-for.ts';

/** One for each database; a connection costs Postgres a process. */
const pools = new Map<string, pg.Pool>();

function poolOf(url: string | undefined): pg.Pool {
  const known = pools.get(url ?? '');
  if (known !== undefined) return known;
  const pool = new pg.Pool({
    connectionString: url,
    max: 2,
    idleTimeoutMillis: 1000,
    allowExitOnIdle: true,
  });
  // A Postgres that is ended takes its connections with it; the next question opens another one.
  pool.on('error', () => undefined);
  pools.set(url ?? '', pool);
  return pool;
}

/** Asks a stack's database as its superuser, past every policy. */
export async function queryStack<Row extends object>(
  stack: Pick<Stack, 'databaseUrls'>,
  sql: string,
  values: readonly unknown[] = [],
): Promise<readonly Row[]> {
  return (await poolOf(stack.databaseUrls['postgres']).query(sql, [...values])).rows as Row[];
}

/**
 * What contradicts "exactly once" in all that a promotion left: commands, effect records, reports, events, statements
 * and the journals of its targets. Empty when nothing does.
 */
export async function findContradictions(
  stack: Stack,
  promotion: PromotionAnswer,
): Promise<readonly string[]> {
  const problems: string[] = [];
  const { id } = promotion;
  const commands = await queryStack<{ target: string; kind: string; count: number }>(
    stack,
    `select target_id as target, kind, count(*)::int as count from sluice.commands
      where promotion_id = $1 group by 1, 2`,
    [id],
  );
  for (const { target, kind, count } of commands) {
    if (count !== 1) problems.push(`${count} ${kind} commands to ${target}`);
  }
  problems.push(...findRepeatedEvents(promotion));
  const counts = new Map<string, number>();
  for (const { predicateType } of promotion.evidence) {
    counts.set(predicateType, (counts.get(predicateType) ?? 0) + 1);
  }
  for (const [type, count] of counts) {
    // Each approval has one of its own.
    const most =
      type === 'urn:sluice:deployment:v1'
        ? promotion.deployments.length
        : type === 'urn:sluice:approval:v1'
          ? promotion.events.edges.filter(({ node }) => node.type === 'approval.recorded').length
          : 1;
    if (count > most) problems.push(`${count} statements of type ${type}`);
  }
  if (counts.get('urn:sluice:promotion:v1') !== 1) problems.push('not one promotion statement');
  for (const { target } of promotion.deployments) {
    problems.push(...findRepeatedEffects(await readJournal(stack, target.name)));
  }
  problems.push(...(await findHeldLeases(stack, id)));
  return problems;
}

/** How long after its seal a promotion may take to give its lease back. */
const GIVE_BACK_SECONDS = 20;

/** Leases that a sealed promotion does not give back. */
async function findHeldLeases(stack: Stack, id: string): Promise<readonly string[]> {
  let leases: readonly { resource: string }[] = [];
  await waitFor(
    'the leases are given back',
    async () => {
      const sql = 'select resource from sluice.leases where holder = $1';
      leases = await queryStack<{ resource: string }>(stack, sql, [`promotion:${id}`]);
      return leases.length === 0;
    },
    { seconds: GIVE_BACK_SECONDS },
  ).catch(() => undefined);
  return leases.map(({ resource }) => `it still holds ${resource}`);
}

/**
 * Events that tell one thing twice. A state can come again, as when a promotion waits and runs again, but not twice on end; nor
 * is a promotion unstuck more often than it was stuck.
 */
function findRepeatedEvents({ events }: PromotionAnswer): readonly string[] {
  const problems: string[] = [];
  const seen = new Set<string>();
  const last = new Map<string, string>();
  const stuck = new Map<unknown, number>();
  for (const { type, subject, data } of events.edges.map(({ node }) => node)) {
    const event = JSON.stringify([type, subject, data]);
    const { code } = data as { code?: unknown };
    if (type === 'promotion.stuck') stuck.set(code, (stuck.get(code) ?? 0) + 1);
    if (type === 'promotion.unstuck') {
      const left = (stuck.get(code) ?? 0) - 1;
      if (left < 0) problems.push(`unstuck without having been stuck: ${event}`);
      stuck.set(code, left);
    }
    if (type.endsWith('.state-changed')) {
      const whose = `${type} ${subject} ${String((data as { step?: unknown }).step)}`;
      if (last.get(whose) === event) problems.push(`event twice on end: ${event}`);
      last.set(whose, event);
    } else {
      if (seen.has(event) && !AGAIN.has(type) && !isOfGroup(event))
        problems.push(`event twice: ${event}`);
      seen.add(event);
    }
  }
  return problems;
}

/** What is put back is put back within its group, which is then entered a second time. */
function isOfGroup(event: string): boolean {
  return /^\["lease\..*"group:/.test(event);
}

/** Events that say the same when a stale plan sends a promotion round again, or when it is stuck again for the same cause. */
const AGAIN: ReadonlySet<string> = new Set([
  'lease.yielded',
  'plan.stale',
  'approval.refused',
  'promotion.stuck',
  'promotion.unstuck',
]);
