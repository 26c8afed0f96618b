import { readFile } from 'node:fs/promises';
import type { Stack } from '@sluice/infra';
import { promotionWorkflowId, settlementWorkflowId } from '@sluice/temporal-contract';
import { connectEngine } from '../event-kills/kill-at-event.ts';
import { readJournal } from '../journal.ts';
import { queryStack } from '../promotion-checks.ts';

/** All that is known of one promotion, for whoever looks for the cause of a violation: texts in the order of time. */
export interface Timeline {
  readonly events: readonly string[];
  readonly records: readonly string[];
  readonly journal: readonly string[];
  readonly history: readonly string[];
  readonly logs: readonly string[];
}

const MOST_LOG_LINES = 150;

/** Gathers what events, records, journals, histories and logs tell of a promotion; what cannot be had says why. */
export async function readTimeline(stack: Stack, id: string): Promise<Timeline> {
  const orWhy = (read: Promise<readonly string[]>): Promise<readonly string[]> =>
    read.catch((error: unknown) => [`cannot be read: ${String(error)}`]);
  const [events, records, journal, history, logs] = await Promise.all([
    orWhy(readEvents(stack, id)),
    orWhy(readRecords(stack, id)),
    orWhy(readJournals(stack, id)),
    orWhy(readHistories(stack, id)),
    orWhy(readLogs(stack, id)),
  ]);
  return { events, records, journal, history, logs };
}

async function readEvents(stack: Stack, id: string): Promise<readonly string[]> {
  const rows = await queryStack<{ at: Date; type: string; actor: string; data: unknown }>(
    stack,
    `select occurred_at as at, type, actor, data from sluice.events where promotion_id = $1
      order by position nulls last, arrival`,
    [id],
  );
  return rows.map(
    ({ at, type, actor, data }) => `${at.toISOString()} ${type} ${actor} ${JSON.stringify(data)}`,
  );
}

/** Rows as JSON under the name of their table; what is long and says little is left out. */
const RECORDS: Readonly<Record<string, string>> = {
  promotions: `select to_jsonb(p) - 'rules' as row from sluice.promotions p where promotion_id = $1`,
  steps: 'select to_jsonb(s) as row from sluice.promotion_steps s where promotion_id = $1',
  deployments: 'select to_jsonb(d) as row from sluice.deployments d where promotion_id = $1',
  approvals: 'select to_jsonb(a) as row from sluice.approval_requests a where promotion_id = $1',
  commands: `select to_jsonb(c) - 'envelope' - 'payload' as row from sluice.commands c
    where promotion_id = $1 order by created_at`,
  reports: `select jsonb_build_object('command', r.command_digest, 'stage', r.stage, 'at', r.received_at) as row
    from sluice.agent_reports r join sluice.commands c using (tenant_id, command_digest)
    where c.promotion_id = $1 order by r.received_at`,
  effects: `select jsonb_build_object('key', idempotency_key) as row from sluice.effects
    where idempotency_key like $1 || '/%'`,
  outbox: `select to_jsonb(o) - 'body' as row from sluice.outbox o
    where right(workflow_id, length($1) + 1) = '/' || $1 order by outbox_id`,
  leases: `select to_jsonb(l) as row from sluice.leases l where holder = 'promotion:' || $1`,
};

async function readRecords(stack: Stack, id: string): Promise<readonly string[]> {
  const lines: string[] = [];
  for (const [table, sql] of Object.entries(RECORDS)) {
    try {
      const rows = await queryStack<{ row: unknown }>(stack, sql, [id]);
      lines.push(...rows.map(({ row }) => `${table} ${JSON.stringify(row)}`));
    } catch (error) {
      lines.push(`${table} cannot be read: ${String(error)}`);
    }
  }
  return lines;
}

async function readJournals(stack: Stack, id: string): Promise<readonly string[]> {
  const targets = await queryStack<{ target: string }>(
    stack,
    'select distinct target_id as target from sluice.deployments where promotion_id = $1',
    [id],
  );
  const journals = await Promise.all(
    targets.map(async ({ target }) =>
      (await readJournal(stack, target))
        .filter(({ idempotencyKey }) => idempotencyKey?.startsWith(`${id}/`) === true)
        .map((line) => `${target} ${JSON.stringify(line)}`),
    ),
  );
  return journals.flat();
}

/** Events of every run, without their payloads: number, time, type and what names them. */
async function readHistories(stack: Stack, id: string): Promise<readonly string[]> {
  const engine = await connectEngine(stack);
  try {
    const lines: string[] = [];
    for (const workflowId of [
      promotionWorkflowId(stack.tenant, id),
      settlementWorkflowId(stack.tenant, id),
    ]) {
      const history = await engine.workflow
        .getHandle(workflowId)
        .fetchHistory()
        .catch((error: unknown) => {
          lines.push(`${workflowId}: ${String(error)}`);
          return undefined;
        });
      for (const event of history?.events ?? []) {
        const { activityTaskScheduledEventAttributes: activity } = event;
        const { workflowExecutionSignaledEventAttributes: signal } = event;
        const seconds = Number(event.eventTime?.seconds ?? 0);
        const at = new Date(seconds * 1000 + Number(event.eventTime?.nanos ?? 0) / 1e6);
        const name = activity?.activityType?.name ?? signal?.signalName ?? '';
        lines.push(
          `${workflowId} ${event.eventId} ${at.toISOString()} ${event.eventType} ${name}`.trimEnd(),
        );
      }
    }
    return lines;
  } finally {
    await engine.connection.close();
  }
}

async function readLogs(stack: Stack, id: string): Promise<readonly string[]> {
  const logs = await Promise.all(
    stack.names.map(async (name) => {
      const text = await readFile(stack.getLogFile(name), 'utf8').catch(() => '');
      return text
        .split('\n')
        .filter((line) => line.includes(`${id}"`) || line.includes(`${id}/`))
        .map((line) => `${name} ${line}`);
    }),
  );
  return logs.flat().slice(-MOST_LOG_LINES);
}
