import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { AgentClient } from '@sluice/agent-protocol';
import { verifiedChunks } from '@sluice/oci';
import { type BlobSource, syncFolder } from '@sluice/target-drivers';

/**
 * Blobs by digest in the agent's state folder, fetched over the agent channel where they are missing. Bytes
 * are verified when they come and again whenever they are read.
 */
export class ContentStore implements BlobSource {
  readonly #folder: string;
  readonly #client: Pick<AgentClient, 'fetchBlob'>;

  constructor(folder: string, client: Pick<AgentClient, 'fetchBlob'>) {
    this.#folder = folder;
    this.#client = client;
  }

  async open(): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    for (const name of await readdir(this.#folder)) {
      if (name.endsWith('.tmp')) await rm(join(this.#folder, name), { force: true });
    }
  }

  /** @throws AgentProtocolError when the control plane does not give the blob */
  async openBlob(
    blob: { readonly digest: string; readonly size: number },
    signal?: AbortSignal,
  ): Promise<AsyncIterable<Uint8Array>> {
    const path = this.#pathOf(blob.digest);
    const found = await stat(path).catch(() => undefined);
    if (found?.size !== blob.size) await this.#fetch(blob, path, signal);
    return verifiedChunks(createReadStream(path), blob);
  }

  /** Removes a blob that turned out to be damaged, so that it is fetched again. */
  async remove(digest: string): Promise<void> {
    await rm(this.#pathOf(digest), { force: true });
  }

  /** Removes everything: what a target needs lies unpacked with its driver. */
  async clear(): Promise<void> {
    for (const name of await readdir(this.#folder)) {
      await rm(join(this.#folder, name), { force: true });
    }
  }

  async #fetch(
    blob: { readonly digest: string; readonly size: number },
    path: string,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const aside = `${path}.${process.pid}.tmp`;
    const file = await open(aside, 'w', 0o600);
    try {
      const chunks = this.#client.fetchBlob(blob.digest, {
        maxBytes: blob.size,
        ...(signal === undefined ? {} : { signal }),
      });
      for await (const chunk of verifiedChunks(chunks, blob)) await file.writeFile(chunk);
      await file.sync();
    } catch (error) {
      await rm(aside, { force: true });
      throw error;
    } finally {
      await file.close();
    }
    await rename(aside, path);
    await syncFolder(this.#folder);
  }

  #pathOf(digest: string): string {
    return join(this.#folder, digest.slice('sha256:'.length));
  }
}
