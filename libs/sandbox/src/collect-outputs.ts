import { createHash } from 'node:crypto';
import { type FileHandle, open, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { OutputProblem, openContained } from './contained-file.ts';
import { OUTPUTS_FILE } from './root-view.ts';
import type { SandboxArtifact, SandboxOutputs, SandboxRun } from './sandbox-run.ts';

/** Largest `$SLUICE_OUTPUTS`. */
export const MOST_OUTPUT_BYTES = 4_194_304;
const DEEPEST = 32;
/** Before each value but the first stands one of these characters. */
const MOST_VALUES = 400_000;
const CHUNK_BYTES = 65_536;

/** Reads what the script gave; nothing of it is trusted. */
export async function collectOutputs(folder: FileHandle): Promise<SandboxOutputs> {
  try {
    const { file, bytes } = await openContained(folder, OUTPUTS_FILE, MOST_OUTPUT_BYTES);
    try {
      const content = Buffer.alloc(bytes);
      const { bytesRead } = await file.read(content, 0, bytes, 0);
      return { state: 'given', values: parseOutputs(content.subarray(0, bytesRead)) };
    } finally {
      await file.close();
    }
  } catch (error) {
    const refused = refusal(error);
    return refused.code === 'output-missing' ? { state: 'none' } : refused;
  }
}

/**
 * Parses the text of an outputs file: one JSON object in UTF-8, at most 32 deep, of at most 400,000 values, with finite numbers and whole
 * characters.
 *
 * @throws OutputProblem
 */
export function parseOutputs(content: Uint8Array): Record<string, unknown> {
  let value: unknown;
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(content);
    assertModest(text);
    value = JSON.parse(text, (name, member: unknown) => {
      assertSound(name, member);
      return member;
    });
  } catch (error) {
    if (error instanceof OutputProblem) throw error;
    throw new OutputProblem(
      'output-not-json',
      `${OUTPUTS_FILE} is not JSON in UTF-8: write one object, such as {"applied": 3}.`,
    );
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new OutputProblem(
      'output-not-json',
      `${OUTPUTS_FILE} holds no object: write one, such as {"applied": 3}.`,
    );
  }
  return value as Record<string, unknown>;
}

/** Before parsing, for what is parsed is walked by recursion, value by value. */
function assertModest(text: string): void {
  let depth = 0;
  let values = 0;
  let quoted = false;
  for (let index = 0; index < text.length; index += 1) {
    const char = text[index];
    if (quoted) {
      if (char === '\\') index += 1;
      else if (char === '"') quoted = false;
    } else if (char === '"') quoted = true;
    else if (char === ',') values += 1;
    else if (char === '}' || char === ']') depth -= 1;
    else if (char === '{' || char === '[') {
      depth += 1;
      values += 1;
      if (depth > DEEPEST) {
        throw new OutputProblem(
          'output-too-deep',
          `${OUTPUTS_FILE} is nested deeper than ${DEEPEST}.`,
        );
      }
    }
  }
  if (values <= MOST_VALUES) return;
  throw new OutputProblem(
    'output-too-large',
    `${OUTPUTS_FILE} holds more than ${MOST_VALUES} lists, objects and members: keep so many as an artifact.`,
  );
}

function assertSound(name: string, value: unknown): void {
  const texts = typeof value === 'string' ? [name, value] : [name];
  if (
    name === '__proto__' ||
    texts.some((text) => /\p{Surrogate}/u.test(text)) ||
    (typeof value === 'number' && !Number.isFinite(value))
  ) {
    throw new OutputProblem(
      'output-not-json',
      `${OUTPUTS_FILE} holds a name, a text or a number that others could not read again.`,
    );
  }
}

/** Copies the artifacts to the machine's folder and hashes what was copied. */
export async function collectArtifacts(
  folder: FileHandle,
  run: Pick<SandboxRun, 'artifacts' | 'limits' | 'workFolder'>,
): Promise<Map<string, SandboxArtifact>> {
  const artifacts = new Map<string, SandboxArtifact>();
  // A file with holes can be larger than what it takes of the disk.
  let room = run.limits.diskBytes;
  for (const [name, path] of run.artifacts ?? []) {
    try {
      const { file, bytes } = await openContained(folder, path, room);
      room -= bytes;
      const target = join(run.workFolder, name);
      try {
        artifacts.set(name, { state: 'kept', file: target, ...(await copy(file, bytes, target)) });
      } finally {
        await file.close();
      }
    } catch (error) {
      artifacts.set(name, refusal(error));
    }
  }
  return artifacts;
}

async function copy(
  source: FileHandle,
  size: number,
  target: string,
): Promise<{ readonly digest: string; readonly bytes: number }> {
  const hash = createHash('sha256');
  const chunk = Buffer.alloc(CHUNK_BYTES);
  const into = await open(target, 'wx', 0o600);
  let bytes = 0;
  try {
    while (bytes < size) {
      const wanted = Math.min(chunk.length, size - bytes);
      const { bytesRead } = await source.read(chunk, 0, wanted, bytes);
      if (bytesRead === 0) break;
      hash.update(chunk.subarray(0, bytesRead));
      await into.writeFile(chunk.subarray(0, bytesRead));
      bytes += bytesRead;
    }
  } catch (error) {
    await unlink(target).catch(() => undefined);
    throw error;
  } finally {
    await into.close();
  }
  return { digest: `sha256:${hash.digest('hex')}`, bytes };
}

/** What is wrong with the script's file is a refusal; what is wrong with this machine is thrown on. */
function refusal(error: unknown): Extract<SandboxOutputs, { state: 'refused' }> {
  if (!(error instanceof OutputProblem)) throw error;
  return { state: 'refused', code: error.code, message: error.message };
}
