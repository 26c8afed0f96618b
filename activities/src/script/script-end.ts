import { createReadStream } from 'node:fs';
import { findValueFaults, type JsonValue, type ObjectSchema } from '@sluice/domain';
import type { EvidenceStore } from '@sluice/evidence-store';
import { maskSecrets, type SandboxResult } from '@sluice/sandbox';
import type { StoredBlob } from '../evidence/stored-document.ts';
import type { ScriptInputs } from './script-inputs.ts';
import { ScriptRefusal } from './script-refusal.ts';

/** Shorter secrets are found in outputs that have nothing to do with them. */
const TELLING_SECRET_LENGTH = 6;
const MAX_FAULTS = 5;

/**
 * Makes sure that a script came to a good end.
 * @param lastLines of its log, masked
 * @throws ScriptRefusal
 */
export function assertGoodEnd(result: SandboxResult, wallSeconds: number, lastLines: string): void {
  const said = lastLines === '' ? ' It wrote nothing.' : ` It last wrote:\n${lastLines}`;
  switch (result.outcome) {
    case 'exited':
      if (result.exitCode === 0) return;
      throw new ScriptRefusal(
        'script-failed',
        `The script ended with status ${result.exitCode}.${said}`,
      );
    case 'killed':
      throw new ScriptRefusal(
        'script-killed',
        `The script was ended by the signal ${result.signal}.${said}`,
      );
    case 'timed-out': {
      const seconds = Math.round(wallSeconds * 10) / 10;
      throw new ScriptRefusal(
        'script-timed-out',
        `The script was ended after ${seconds} s. Raise limits.seconds, and timeoutSeconds above it.${said}`,
      );
    }
    case 'memory-exceeded':
      throw new ScriptRefusal(
        'script-memory-exceeded',
        `The script wanted more memory than limits.memoryMiB, its files counted, and was ended.${said}`,
      );
    case 'processes-exceeded':
      throw new ScriptRefusal(
        'script-processes-exceeded',
        `The script wanted more processes than limits.processes, and was ended.${said}`,
      );
    case 'cancelled':
      // Somebody cancelled the activity: no result of it counts.
      throw new Error('The script was cancelled.');
  }
}

/**
 * The outputs that the script gave, by the schemas that the step declares.
 * @throws ScriptRefusal
 */
export function readOutputs(
  { outputs }: Pick<SandboxResult, 'outputs'>,
  inputs: ScriptInputs,
  secrets: readonly string[],
): Readonly<Record<string, JsonValue>> {
  if (outputs.state === 'refused') {
    throw new ScriptRefusal('script-outputs-refused', `${outputs.message} (${outputs.code})`);
  }
  const values = outputs.state === 'given' ? outputs.values : {};
  const declared = inputs.outputs ?? {};
  const schema: ObjectSchema = {
    type: 'object',
    properties: declared,
    required: Object.keys(declared),
  };
  const faults = findValueFaults(schema, values);
  if (faults.length > 0) {
    const more = faults.length > MAX_FAULTS ? ` And ${faults.length - MAX_FAULTS} more.` : '';
    const first = faults.slice(0, MAX_FAULTS).map(({ message }) => message);
    throw new ScriptRefusal(
      'output-invalid',
      // A fault quotes what it found.
      maskSecrets(`outputs.json: ${first.join(' ')}${more}`, secrets),
    );
  }
  const telling = secrets.filter((secret) => secret.length >= TELLING_SECRET_LENGTH);
  const text = JSON.stringify(values);
  if (maskSecrets(text, telling) !== text) {
    throw new ScriptRefusal(
      'script-outputs-refused',
      'outputs.json holds one of its secrets: outputs are recorded, and shown. Leave it out.',
    );
  }
  return values as Readonly<Record<string, JsonValue>>;
}

/**
 * Puts the artifacts into the evidence store.
 * @returns name → blob, by name
 * @throws ScriptRefusal when one was not taken: then none is
 */
export async function storeArtifacts(
  evidence: EvidenceStore,
  { artifacts }: Pick<SandboxResult, 'artifacts'>,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, StoredBlob>> {
  for (const [name, artifact] of artifacts) {
    if (artifact.state === 'kept') continue;
    throw new ScriptRefusal(
      'script-artifact-refused',
      `The artifact ${name} was not taken: ${artifact.message} (${artifact.code})`,
    );
  }
  const stored = new Map<string, StoredBlob>();
  for (const [name, artifact] of [...artifacts].sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (artifact.state !== 'kept') continue;
    const { digest, size } = await evidence.put(createReadStream(artifact.file), {
      expectedDigest: artifact.digest,
      maxBytes: artifact.bytes,
      signal,
    });
    stored.set(name, { digest, size, mediaType: 'application/octet-stream' });
  }
  return stored;
}
