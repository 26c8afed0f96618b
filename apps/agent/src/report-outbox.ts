import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { AgentClient } from '@sluice/agent-protocol';
import { createReportEnvelope } from '@sluice/agent-protocol';
import {
  type AgentReport,
  cutText,
  type Envelope,
  REPORT_SCHEMA,
  REPORT_STAGES,
  type ReportStage,
} from '@sluice/domain';
import type { KeyPair } from '@sluice/signing';
import { findJson, writeWhole } from '@sluice/target-drivers';
import type { JournalEntry, JournalStage } from './journal.ts';

const SENT = '.sent';
const SENT_KEPT = 100;
/** The protocol takes no longer one. */
const MAX_FAILURE_MESSAGE = 4096;

/** Who signs and for whom. */
export interface ReportAuthor {
  readonly keyPair: KeyPair;
  readonly tenantId: string;
  readonly target: string;
}

/** True for a stage that the control plane is told of. */
export function isReported(stage: JournalStage): stage is ReportStage {
  return (REPORT_STAGES as readonly string[]).includes(stage);
}

/**
 * Signed reports, stored before they are sent and sent until the control plane took them. A report is made
 * of its journal line alone, so the same line always gives the same bytes.
 */
export class ReportOutbox {
  readonly #folder: string;
  readonly #author: ReportAuthor;

  constructor(folder: string, author: ReportAuthor) {
    this.#folder = folder;
    this.#author = author;
  }

  /** Stores what the last lines of the journal say and is not stored yet (the agent was killed between). */
  async open(entries: readonly JournalEntry[]): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    for (const entry of entries.slice(-SENT_KEPT / 2)) await this.add(entry);
  }

  /** Stores the report of a journal line; one that is stored or was sent already stays as it is. */
  async add(entry: JournalEntry): Promise<void> {
    const { stage, sequence, commandDigest, failure } = entry;
    if (!isReported(stage)) return;
    const { keyPair, tenantId, target } = this.#author;
    const order = String(sequence).padStart(16, '0');
    const name = `${order}-${REPORT_STAGES.indexOf(stage)}-${stage}-${commandDigest.slice(7, 23)}.json`;
    const names = await readdir(this.#folder);
    if (names.includes(name) || names.includes(name + SENT)) return;
    const report: AgentReport = {
      schema: REPORT_SCHEMA,
      tenantId,
      target,
      agentKeyId: keyPair.keyId,
      commandDigest,
      sequence,
      stage,
      at: entry.at,
      // A service's last words may begin or end in half a character, which canonical JSON refuses.
      failure:
        failure !== null && (stage === 'refused' || stage === 'reverted')
          ? { ...failure, message: cutText(failure.message, MAX_FAILURE_MESSAGE) }
          : null,
      activeRelease: entry.activeRelease,
    };
    const envelope = createReportEnvelope(report, keyPair);
    await writeWhole(join(this.#folder, name), JSON.stringify(envelope));
  }

  /**
   * Sends what is not sent, oldest first; stops at the first that nobody took.
   * @returns how many went out, and the refusals of those that the control plane will never take (they are
   *   not sent again)
   * @throws AgentProtocolError when the control plane can not be reached
   */
  async send(
    client: Pick<AgentClient, 'sendReport'>,
    signal: AbortSignal,
  ): Promise<{ readonly sent: number; readonly refusals: readonly string[] }> {
    const names = (await readdir(this.#folder)).sort();
    const refusals: string[] = [];
    let count = 0;
    for (const name of names.filter((file) => file.endsWith('.json'))) {
      const path = join(this.#folder, name);
      const envelope = await findJson<Envelope>(path);
      if (envelope === undefined) continue;
      try {
        await client.sendReport(envelope, signal);
      } catch (error) {
        if (!isForGood(error)) throw error;
        refusals.push(`${name}: ${(error as Error).message}`);
      }
      await rename(path, path + SENT);
      count += 1;
    }
    const sent = names.filter((file) => file.endsWith(SENT));
    for (const name of sent.slice(0, -SENT_KEPT)) await rm(join(this.#folder, name));
    return { sent: count, refusals };
  }
}

/** True when the control plane read the report and will not take it, whenever it is asked. */
function isForGood(error: unknown): boolean {
  const { code, status } = error as { code?: unknown; status?: unknown };
  if (code !== 'control-plane-refused') return false;
  // Another target's report: this agent was enrolled anew over an old state folder.
  const { refusalCode } = error as { refusalCode?: unknown };
  if (refusalCode === 'target-foreign' || refusalCode === 'command-foreign') return true;
  return [400, 404, 409, 413, 422].includes(status as number);
}
