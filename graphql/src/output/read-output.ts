import { type JsonValue, MAX_OUTPUT_BYTES } from '@sluice/domain';
import type { EvidenceStore } from '@sluice/evidence-store';
import { findStep, listMembersOfKey, type Tx, type ValueReference } from '@sluice/persistence';
import { canonicalJson } from '@sluice/pure';

/** Typed outputs of one execution, as the records keep them. */
export interface RecordedOutputs {
  readonly values: Readonly<Record<string, JsonValue>>;
  readonly references: Readonly<Record<string, ValueReference>>;
}

/** An output as the schema has it. */
export interface StepOutputView {
  readonly name: string;
  readonly value: JsonValue;
  readonly digest: string | null;
  readonly bytes: number;
}

/** Outputs of a step, or of its member with this key, in its newest round; undefined where there is no such step or member. */
export async function findOutputs(
  tx: Tx,
  promotionId: string,
  stepId: string,
  member: string | null | undefined,
): Promise<RecordedOutputs | undefined> {
  if (member === null || member === undefined) return findStep(tx, promotionId, stepId);
  const [found] = await listMembersOfKey(tx, promotionId, [stepId], member);
  return found;
}

/** All outputs, by name. */
export function listOutputViews({
  values,
  references,
}: RecordedOutputs): readonly StepOutputView[] {
  const inline = Object.entries(values).map(([name, value]) => ({
    name,
    value,
    digest: null,
    bytes: Buffer.byteLength(canonicalJson(value)),
  }));
  const large = Object.entries(references).map(([name, { digest, bytes }]) => ({
    name,
    value: null,
    digest,
    bytes,
  }));
  return [...inline, ...large].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The canonical JSON of an output, or why it cannot be read. */
export type OutputText =
  | { readonly bytes: Uint8Array; readonly problem: null }
  | { readonly bytes: null; readonly problem: { readonly code: string; readonly message: string } };

/** Reads an output as a whole, checked against its digest. */
export async function readOutput(
  evidence: EvidenceStore,
  { name, value, digest, bytes }: StepOutputView,
): Promise<OutputText> {
  if (digest === null) return { bytes: Buffer.from(canonicalJson(value)), problem: null };
  try {
    const content = await evidence.getBytes(digest, { maxBytes: MAX_OUTPUT_BYTES });
    if (content.byteLength === bytes) return { bytes: content, problem: null };
  } catch (error) {
    const { code } = error as { readonly code?: unknown };
    if (code === 'evidence-not-found') {
      const message = `Output ${name} is kept as ${digest} (${bytes} bytes), and the evidence store does not have it: restore it from a backup.`;
      return { bytes: null, problem: { code: 'output-unavailable', message } };
    }
    if (typeof code !== 'string' || !code.startsWith('evidence-')) throw error;
  }
  const message = `Output ${name} is kept as ${digest} (${bytes} bytes), and the evidence store has another content there: restore it from a backup.`;
  return { bytes: null, problem: { code: 'output-changed', message } };
}
