import { LogMasker } from '@sluice/sandbox';

/** A body with its secrets masked while it comes. */
export async function* maskBody(
  body: AsyncIterable<Uint8Array>,
  secrets: readonly string[],
): AsyncGenerator<Buffer> {
  const masker = createMasker(secrets);
  for await (const chunk of body) yield masker.push(chunk);
  yield masker.end();
}

/** The beginning of a body for a log, secrets masked: whatever can be had of it. */
export async function readBeginning(
  body: AsyncIterable<Uint8Array>,
  bytes: number,
  secrets: readonly string[],
): Promise<string> {
  const masker = createMasker(secrets);
  const shown: Buffer[] = [];
  let read = 0;
  try {
    for await (const chunk of body) {
      shown.push(masker.push(chunk.subarray(0, bytes - read)));
      read += chunk.byteLength;
      // Without the masker's end: a cut must not show the beginning of a secret.
      if (read >= bytes) return join(shown);
    }
    shown.push(masker.end());
  } catch {
    // Who asks has a status that says enough.
  }
  return join(shown);
}

/** A header's value with its secrets masked. Node reads each byte of a header as one character. */
export function maskHeader(value: string, secrets: readonly string[]): string {
  const masker = createMasker(secrets);
  const shown = masker.push(Buffer.from(value, 'latin1'));
  return Buffer.concat([shown, masker.end()]).toString('latin1');
}

/** Reads a body to its end, or to so many bytes, and keeps nothing. */
export async function drainBody(body: AsyncIterable<Uint8Array>, bytes: number): Promise<void> {
  let read = 0;
  for await (const chunk of body) {
    read += chunk.byteLength;
    if (read >= bytes) return;
  }
}

function createMasker(secrets: readonly string[]): LogMasker {
  return new LogMasker(secrets.map((secret) => Buffer.from(secret, 'utf8')));
}

function join(chunks: readonly Buffer[]): string {
  return Buffer.concat(chunks).toString('utf8').replaceAll('\0', '\uFFFD').trimEnd();
}
