import { createHash } from 'node:crypto';
import { OciError } from './oci-error.ts';

/** What {@link verifiedChunks} holds the bytes against. */
export interface ExpectedContent {
  readonly digest: string;
  /** Bytes. */
  readonly size: number;
}

/**
 * Passes a blob's bytes on and throws at their end unless size and SHA-256 are the expected ones; it stops
 * at the first byte too many. What is read before the end is unverified: keep it aside until then.
 * @param kind chooses the codes: `<kind>-digest-mismatch`, `<kind>-size-mismatch`
 */
export async function* verifiedChunks(
  source: AsyncIterable<Uint8Array>,
  expected: ExpectedContent,
  kind: 'blob' | 'layer' = 'blob',
): AsyncGenerator<Uint8Array, void, undefined> {
  const place = { digest: expected.digest };
  const hash = createHash('sha256');
  let size = 0;
  for await (const chunk of source) {
    size += chunk.byteLength;
    if (size > expected.size) throw wrongSize(kind, expected, `more than ${expected.size}`);
    hash.update(chunk);
    yield chunk;
  }
  const digest = `sha256:${hash.digest('hex')}`;
  if (digest !== expected.digest) {
    throw new OciError(
      `${kind}-digest-mismatch`,
      `The bytes of ${kind} ${expected.digest} have the digest ${digest} (${size} of ${expected.size} bytes): it was damaged or exchanged. Copy the image again.`,
      place,
    );
  }
  if (size !== expected.size) throw wrongSize(kind, expected, `${size}, not ${expected.size}`);
}

/**
 * Reads a small blob whole, verified.
 * @throws OciError as {@link verifiedChunks}
 */
export async function readVerified(
  source: AsyncIterable<Uint8Array>,
  expected: ExpectedContent,
): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of verifiedChunks(source, expected)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function wrongSize(kind: 'blob' | 'layer', expected: ExpectedContent, found: string): OciError {
  return new OciError(
    `${kind}-size-mismatch`,
    `${kind === 'blob' ? 'Blob' : 'Layer'} ${expected.digest} has ${found} bytes. Copy the image again.`,
    { digest: expected.digest },
  );
}
