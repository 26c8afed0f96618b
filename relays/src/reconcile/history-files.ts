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
      facts.set(history.runId, factOf(history, await findFile(evidence, history.archiveDigest)));
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

type FileState = Pick<HistoryFact, 'file' | 'error'>;

async function findFile(evidence: Pick<EvidenceStore, 'has'>, digest: string): Promise<FileState> {
  try {
    return { file: (await evidence.has(digest)) ? 'there' : 'missing', error: null };
  } catch (error) {
    return failureOf(error);
  }
}

async function readFile(evidence: Pick<EvidenceStore, 'get'>, digest: string): Promise<FileState> {
  try {
    // Verified while it is read; nothing is kept.
    for await (const _chunk of await evidence.get(digest));
    return { file: 'there', error: null };
  } catch (error) {
    return failureOf(error);
  }
}

/** One file that cannot be read holds up no other comparison. Its code is told, not its text, which names paths. */
function failureOf(error: unknown): FileState {
  const { code, name } = error as { readonly code?: unknown; readonly name?: unknown };
  if (code === 'evidence-not-found') return { file: 'missing', error: null };
  if (code === 'evidence-corrupt') return { file: 'damaged', error: null };
  return { file: 'unreadable', error: String(code ?? name ?? 'unknown') };
}

function factOf(
  { workflowId, runId, archiveDigest }: KeptHistoryRecord,
  state: FileState,
): HistoryFact {
  return { workflowId, runId, archiveDigest, ...state };
}
