import {
  type CodecKeys,
  findHead,
  redactedHistoryText,
  redactHistory,
  type SealedHead,
  sealHistory,
} from '@sluice/temporal-client';
import type { EngineHistory } from '../common/engine-client.ts';
import { type RefusalException, stateConflict } from '../common/refusal.ts';
import { type DocumentForm, type DocumentSource, MAX_EXPORT_BYTES } from './history-documents.ts';

/** What live histories are written with. */
export interface LiveParts {
  readonly codecKeys: CodecKeys;
  readonly tenantId: string;
  /** By build, digest of its bundle, as far as it is known. */
  readonly bundles: ReadonlyMap<string, string>;
}

/** What the engine told of a run that is not archived, in the forms that the archive has: what reads those reads these. */
export function liveSource(
  parts: LiveParts,
  run: EngineHistory,
  form: DocumentForm,
): DocumentSource {
  const { workflowId, runId } = run;
  return {
    workflowId,
    runId,
    archived: false,
    bytes: () =>
      write(parts, run, form).catch((error: unknown) => {
        throw refusalOfCode(error, run) ?? error;
      }),
    tooLarge: () => tooLarge(run),
  };
}

async function write(
  { codecKeys, tenantId, bundles }: LiveParts,
  run: EngineHistory,
  form: DocumentForm,
): Promise<Uint8Array> {
  const { history } = run;
  const found = findHead({ ...run, bundleDigestOf: (buildId) => bundles.get(buildId) });
  const head: SealedHead = { ...found, tenantId };
  if (form === 'ENCRYPTED') return sealHistory({ history, head, keys: codecKeys });
  return Buffer.from(redactedHistoryText(await redactHistory(history, head, codecKeys)));
}

/** What is a matter of keys and of what lies in the engine, and not a fault of this process. */
function refusalOfCode(error: unknown, run: EngineHistory): RefusalException | undefined {
  const { code } = (error ?? {}) as { readonly code?: unknown };
  switch (code) {
    case 'codec-key-missing':
    case 'history-key-missing':
      return stateConflict(
        'history-key-missing',
        `The history of ${run.workflowId} is encrypted with a key that the API does not have; look at its file of codec keys.`,
      );
    case 'history-damaged':
    case 'history-tenant-mismatch':
      return stateConflict(
        'history-damaged',
        `What the engine holds of ${run.workflowId} does not open with its tenant's keys: somebody else wrote into it.`,
      );
    case 'history-too-large':
      return tooLarge(run);
    default:
      return undefined;
  }
}

function tooLarge({ workflowId }: EngineHistory): RefusalException {
  return stateConflict(
    'history-too-large',
    `The histories up to ${workflowId} have more than ${MAX_EXPORT_BYTES} bytes; wait until they are archived.`,
  );
}
