import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { ImageContent } from '@sluice/infra';
import { listTrustedKeys, parseTrustRoot, verifyEnvelope } from '@sluice/signing';
import {
  historyFileName,
  listRuns,
  loadCodecKeys,
  openHistory,
  readHistoryHead,
} from '@sluice/temporal-client';
import { promotionWorkflowId, settlementWorkflowId } from '@sluice/temporal-contract';
import { Client, Connection } from '@temporalio/client';
import { runExample } from '../../support/ci-example.ts';
import { runSluice } from '../../support/cli.ts';
import type { TestStack } from '../../support/e2e-stack.ts';
import { queryStack } from '../../support/promotion-checks.ts';
import { serviceImage } from '../../support/service-images.ts';
import { waitFor } from '../../support/wait-for.ts';

/** A row of the archive, as far as it is looked at. */
interface HistoryRow {
  readonly workflow_id: string;
  readonly run_id: string;
  readonly workflow_type: string;
  readonly status: string;
  readonly history_digest: string;
  readonly archive_digest: string;
  readonly packet_digest: string | null;
  readonly bundle_digests: readonly string[];
  readonly envelope: unknown;
}

/** What `sluice replay --json` says, as far as it is looked at. */
interface ReplayReport {
  readonly histories: number;
  readonly deterministic: number;
  readonly results: readonly {
    readonly workflowId: string;
    readonly runId: string;
    readonly outcome: string;
  }[];
}

const LONG = 300_000;

/** An image that is bad, for a promotion that is reverted. */
export const ARCHIVED_IMAGES: readonly ImageContent[] = [serviceImage('5.0.0', 'exits')];

/** Behind everything else: it archives all that was done on the stack, has the engine forget it, and ends the stack. */
export function describeHistory(getStack: () => TestStack): void {
  describe('the history', () => {
    let made: TestStack;
    let engine: Client;
    /** Promotion by how it ended. */
    const ended: Record<string, string> = {};
    let rows: readonly HistoryRow[];

    beforeAll(async () => {
      made = getStack();
      const { stack } = made;
      const connection = await Connection.connect({ address: stack.temporalAddress });
      engine = new Client({ connection, namespace: stack.temporalNamespace });
    }, LONG);

    afterAll(() => engine?.connection.close());

    async function untilAsked(id: string): Promise<void> {
      await made.client.untilPromotion(id, 'waits', ({ state }) => state === 'WAITING', 120);
    }

    /** Every workflow that was ever asked for. */
    async function listWorkflows(): Promise<readonly string[]> {
      const found = await queryStack<{ workflow_id: string }>(
        made.stack,
        'select workflow_id from sluice.workflow_executions order by 1',
      );
      return found.map(({ workflow_id: id }) => id);
    }

    test(
      'whatever closes is archived with a signed statement, however it ended',
      async () => {
        const { client, stack } = made;
        const good = await client.release('1.0.0');
        const bad = await client.release('5.0.0');
        const refused = await client.askForRelease({
          name: 'app',
          version: '9.9.9',
          components: [{ name: 'app', source: 'images', reference: 'no-such-tag' }],
        });
        expect(refused).toMatchObject({ state: 'REFUSED' });

        const succeeded = await client.promote(good.id, 'dev', 120);
        const reverted = await client.promote(bad.id, 'dev', 120);
        const cancelled = await client.request(good.id, 'asked');
        await untilAsked(cancelled);
        await client.cancel(cancelled);
        await client.untilSealed(cancelled, 120);
        // Ended from outside: the watchdog settles it.
        const settled = await client.request(good.id, 'asked');
        await untilAsked(settled);
        await engine.workflow
          .getHandle(promotionWorkflowId(stack.tenant, settled))
          .terminate('a test');
        await client.untilSealed(settled, 120);
        expect([succeeded.state, reverted.state]).toEqual(['SUCCEEDED', 'REVERTED']);
        Object.assign(ended, {
          succeeded: succeeded.id,
          reverted: reverted.id,
          cancelled,
          settled,
        });

        const workflows = await listWorkflows();
        const wanted = Object.values(ended).map((id) => promotionWorkflowId(stack.tenant, id));
        expect(workflows).toEqual(expect.arrayContaining(wanted));
        expect(workflows).toContain(settlementWorkflowId(stack.tenant, settled));
        await waitFor(
          'everything is archived',
          async () => {
            const [open] = await queryStack<{ count: number }>(
              stack,
              'select count(*)::int as count from sluice.workflow_executions where archived_at is null',
            );
            return open?.count === 0;
          },
          { seconds: 120 },
        );
        rows = await queryStack<HistoryRow>(stack, 'select * from sluice.workflow_histories');
        expect(new Set(rows.map((row) => row.workflow_id))).toEqual(new Set(workflows));
        expect(
          rows.find((row) => row.workflow_id.endsWith(settled) && row.status === 'terminated'),
        ).toBeDefined();
      },
      LONG,
    );

    test('each statement names history, archive, code and packet, and its key is trusted', async () => {
      const root = parseTrustRoot(await readFile(made.stack.trustRootFile, 'utf8'));
      const trusted = listTrustedKeys(root, 'evidence');
      const bundles = await queryStack<{ bundle_digest: string }>(
        made.stack,
        'select bundle_digest from sluice.workflow_bundles',
      );
      for (const row of rows) {
        const verified = verifyEnvelope(row.envelope, trusted);
        if (!verified.ok) throw new Error(`${row.workflow_id}: ${verified.refusal.message}`);
        const statement = JSON.parse(Buffer.from(verified.value.payload).toString('utf8'));
        const isPromotion = !row.workflow_id.startsWith('release-request/');
        expect(statement).toMatchObject({
          predicateType: 'urn:sluice:history:v1',
          predicate: {
            workflowId: row.workflow_id,
            runId: row.run_id,
            archiveDigest: row.archive_digest,
            packetDigest: isPromotion ? expect.stringMatching(/^sha256:/) : null,
            bundleDigests: bundles.map((bundle) => bundle.bundle_digest),
          },
        });
        const digests = statement.subject.map(
          ({ digest }: { digest: { sha256: string } }) => `sha256:${digest.sha256}`,
        );
        const packet = row.packet_digest === null ? [] : [row.packet_digest];
        expect(digests).toEqual([row.history_digest, ...packet]);
      }
    });

    test(
      'the CI example exports them and proves this checkout against them',
      async () => {
        const { stack, folder } = made;
        const histories = join(folder, 'ci-histories');
        const token = stack.tokens['release-manager'] ?? '';
        const env = { SLUICE_API_URL: stack.apiUrl, SLUICE_TOKEN: token };
        expect(await runExample(['export', histories], env)).toMatchObject({ status: 0 });
        // Requests for releases are no promotion's.
        const wanted = rows.filter((row) => !row.workflow_id.startsWith('release-request/'));
        const files = (await readdir(histories)).filter((name) => name.endsWith('.json'));
        expect(files).toHaveLength(wanted.length);
        expect(await readdir(join(histories, 'bundles'))).toContain('bundles.json');
        const report = join(folder, 'replay.xml');
        const checked = await runExample(['check', histories], { SLUICE_REPLAY_REPORT: report });
        expect(checked).toMatchObject({ status: 0 });
        expect((await readFile(report, 'utf8')).match(/<testcase /g)).toHaveLength(wanted.length);
      },
      LONG,
    );

    test(
      'the engine forgets every workflow',
      async () => {
        const { temporalNamespace: namespace } = made.stack;
        for (const { workflow_id: workflowId, run_id: runId } of rows) {
          const workflowExecution = { workflowId, runId };
          await engine.workflowService.deleteWorkflowExecution({ namespace, workflowExecution });
        }
        await waitFor(
          'the engine knows none of them',
          async () => {
            const left = await Promise.all(
              rows.map(({ workflow_id: workflowId }) => listRuns(engine, workflowId)),
            );
            const { executions } = await engine.workflowService.listWorkflowExecutions({
              namespace,
            });
            return left.flat().length === 0 && (executions ?? []).length === 0;
          },
          { seconds: 60, everyMs: 500 },
        );
      },
      LONG,
    );

    test(
      'a promotion that the engine has forgotten replays by one command',
      async () => {
        const { stack } = made;
        const env = {
          SLUICE_API_URL: stack.apiUrl,
          SLUICE_TOKEN: stack.tokens['release-manager'] ?? '',
        };
        const { status, stdout, stderr } = await runSluice(
          ['replay', ended['reverted'] ?? '', '--reason', 'a test', '--json'],
          env,
        );
        expect({ status, stderr }).toMatchObject({ status: 0 });
        expect(JSON.parse(stdout)).toMatchObject({
          histories: 1,
          deterministic: 1,
          results: [{ workflowId: promotionWorkflowId(stack.tenant, ended['reverted'] ?? '') }],
        });
        const read = await queryStack<{ actor: string }>(
          stack,
          `select actor from sluice.events
        where type = 'history.read' and promotion_id = $1 and data ->> 'reason' = 'a test'`,
          [ended['reverted']],
        );
        expect(read).toHaveLength(1);
      },
      LONG,
    );

    test(
      'with nothing left but the archive and its key, every workflow replays',
      async () => {
        const { stack, folder } = made;
        const { evidenceDir, codecKeys } = stack.layout;
        const saved = join(folder, 'saved');
        const restored = join(folder, 'restored');
        const key = join(folder, 'codec-keys.json');
        await cp(codecKeys, key);
        await cp(evidenceDir, saved, { recursive: true });
        await stack.stop();
        // Engine, records and keys of the signer are gone with it; nothing answers any more.
        await rm(evidenceDir, { recursive: true });
        await restoreHistories(saved, restored);
        await rm(saved, { recursive: true });

        const { status, stdout, stderr } = await runSluice([
          'replay',
          restored,
          '--key',
          key,
          '--json',
        ]);
        expect({ status, stderr }).toMatchObject({ status: 0 });
        const report = JSON.parse(stdout) as ReplayReport;
        expect(report).toMatchObject({ histories: rows.length, deterministic: rows.length });
        const replayed = report.results
          .map(({ workflowId, runId }) => `${workflowId} ${runId}`)
          .sort();
        expect(replayed).toEqual(rows.map((row) => `${row.workflow_id} ${row.run_id}`).sort());

        // What was restored is what was signed.
        const keys = await loadCodecKeys(key);
        for (const name of await readdir(restored)) {
          const { head } = await openHistory(await readFile(join(restored, name)), keys);
          const row = rows.find((candidate) => candidate.run_id === head.runId);
          expect(head.historyDigest).toBe(row?.history_digest);
        }
      },
      LONG,
    );

    test(
      'without the key nothing of it can be read',
      async () => {
        const { status, stdout } = await runSluice([
          'replay',
          join(made.folder, 'restored'),
          '--json',
        ]);
        expect(status).toBe(1);
        const { results } = JSON.parse(stdout) as ReplayReport;
        expect(new Set(results.map(({ outcome }) => outcome))).toEqual(new Set(['unreadable']));
      },
      LONG,
    );
  });
}

/** Histories lie among all other evidence, by digest; their first lines say which they are. */
async function restoreHistories(evidence: string, folder: string): Promise<void> {
  await mkdir(folder);
  const entries = await readdir(evidence, { recursive: true, withFileTypes: true });
  for (const entry of entries.filter((candidate) => candidate.isFile())) {
    const bytes = await readFile(join(entry.parentPath, entry.name));
    try {
      const head = readHistoryHead(bytes);
      await writeFile(join(folder, historyFileName(head, 'encrypted')), bytes);
    } catch (error) {
      if ((error as { code?: string }).code !== 'history-file-unreadable') throw error;
    }
  }
}
