import type { AgentReport, Envelope, ReportStage } from '@sluice/domain';
import type { Tx } from '../transaction.ts';
import { firstOf } from './single-row.ts';
import { storableJson } from './storable.ts';

/** A signed report of an agent: the truth about what a command did. */
export interface ReportRecord {
  readonly commandDigest: string;
  readonly stage: ReportStage;
  readonly envelope: Envelope;
  readonly body: AgentReport;
  readonly receivedAt: string;
}

const COLUMNS = `command_digest as "commandDigest", stage, envelope, body, received_at as "receivedAt"`;

/**
 * Stores a verified report, and with it what the agent says is active; false when one of this command and stage stands
 * there already, which stays. A command gets one final report: a second, other final stage is not stored either.
 */
export async function insertReport(
  tx: Tx,
  input: { readonly envelope: Envelope; readonly body: AgentReport },
): Promise<boolean> {
  const { body, envelope } = input;
  const { rowCount } = await tx.query(
    `insert into sluice.agent_reports (tenant_id, command_digest, stage, envelope, body)
     values ($1, $2, $3, $4, $5)
     on conflict do nothing`,
    [tx.tenantId, body.commandDigest, body.stage, JSON.stringify(envelope), storableJson(body)],
  );
  if (rowCount !== 1) return false;
  await tx.query(
    `update sluice.agents set active_release = $3, active_reported_at = now()
      where tenant_id = $1 and target_id = $2`,
    [tx.tenantId, body.target, body.activeRelease],
  );
  return true;
}

/** The report that ended a command: confirmed, reverted or refused. */
export async function findFinalReport(
  tx: Tx,
  commandDigest: string,
): Promise<ReportRecord | undefined> {
  return firstOf(
    await tx.query<ReportRecord>(
      `select ${COLUMNS} from sluice.agent_reports
        where tenant_id = $1 and command_digest = $2 and stage in ('confirmed', 'reverted', 'refused')`,
      [tx.tenantId, commandDigest],
    ),
  );
}

/** All reports of a command, in the order in which they came. */
export async function listReports(tx: Tx, commandDigest: string): Promise<readonly ReportRecord[]> {
  const { rows } = await tx.query<ReportRecord>(
    `select ${COLUMNS} from sluice.agent_reports
      where tenant_id = $1 and command_digest = $2
      order by received_at, stage`,
    [tx.tenantId, commandDigest],
  );
  return rows;
}

/** All reports of these commands, each command's in the order in which they came. */
export async function listReportsOf(
  tx: Tx,
  commandDigests: readonly string[],
): Promise<readonly ReportRecord[]> {
  const { rows } = await tx.query<ReportRecord>(
    `select ${COLUMNS} from sluice.agent_reports
      where tenant_id = $1 and command_digest = any($2)
      order by received_at, stage`,
    [tx.tenantId, commandDigests],
  );
  return rows;
}
