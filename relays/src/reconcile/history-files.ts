import type { HistoryFact } from '@sluice/domain';
import type { EvidenceStore } from '@sluice/evidence-store';
import {
  findKeptHistories,
  type KeptHistoryRecord,
  listDiscrepancies,
  listKeptHistories,
  type Pool,
  withTenant,
} from '@sluice/persistence';

/** Looks whether the files of archived histories are there, some of them each time. */
export type CheckHistoryFiles = (tenantId: string) => Promise<readonly HistoryFact[]>;

/** Histories of a tenant that are looked for at one time, and those of them whose bytes are read. */
const LOOKED_FOR = 500;
const READ = 20;

/**
 * Goes through all histories of a tenant, newest first and then from the start again: their presence in large steps, their
 * bytes in small ones. Those that were found missing or damaged before are looked at each time.
 */
export function createHistoryFileCheck(
  pool: Pool,
  evidence: Pick<EvidenceStore, 'has' | 'get'>,
): CheckHistoryFiles {
  const places = new Map<string, KeptHistoryRecord | undefined>();
  const readNext = async (
    tenantId: string,
    step: string,
    limit: number,
  ): Promise<readonly KeptHistoryRecord[]> => {
    const key = `${step} ${tenantId}`;
    const page = await withTenant(
      pool,
      tenantId,
      (tx) => listKeptHistories(tx, { limit, before: places.get(key) }),
      { readOnly: true },
    );
    places.set(key, page.length === limit ? page.at(-1) : undefined);
    return page;
  };
  return async (tenantId) => {
    const facts = new Map<string, HistoryFact>();
    for (const history of await readNext(tenantId, 'look', LOOKED_FOR)) {
      const isThere = await evidence.has(history.archiveDigest);
      facts.set(history.runId, factOf(history, isThere ? 'there' : 'missing'));
    }
    const toRead = [
      ...(await readNext(tenantId, 'read', READ)),
      ...(await listSuspects(pool, tenantId)),
    ];
    for (const history of toRead) {
      facts.set(history.runId, factOf(history, await readFile(evidence, history.archiveDigest)));
    }
    return [...facts.values()];
  };
}

function listSuspects(pool: Pool, tenantId: string): Promise<readonly KeptHistoryRecord[]> {
  return withTenant(
    pool,
    tenantId,
    async (tx) => {
      const runIds = (await listDiscrepancies(tx)).flatMap(({ code, detail }) =>
        code === 'history-damaged' && typeof detail['runId'] === 'string' ? [detail['runId']] : [],
      );
      return findKeptHistories(tx, runIds);
    },
    { readOnly: true },
  );
}

async function readFile(
  evidence: Pick<EvidenceStore, 'get'>,
  digest: string,
): Promise<HistoryFact['file']> {
  try {
    // Verified while it is read; nothing is kept.
    for await (const _chunk of await evidence.get(digest));
    return 'there';
  } catch (error) {
    const { code } = error as { readonly code?: unknown };
    if (code === 'evidence-not-found') return 'missing';
    if (code === 'evidence-corrupt') return 'damaged';
    throw error;
  }
}

function factOf(
  { workflowId, runId, archiveDigest }: KeptHistoryRecord,
  file: HistoryFact['file'],
): HistoryFact {
  return { workflowId, runId, archiveDigest, file };
}
