import { composeRelease, type Release } from '@sluice/domain';
import {
  claimOutbox,
  insertRelease,
  settleOutbox,
  settleReleaseRequest,
  withTenant,
} from '@sluice/persistence';
import { digestOfBytes } from '@sluice/pure';
import { type ResolveReleaseInput, WORKFLOWS } from '@sluice/temporal-contract';
import type { TestApi } from './test-api.ts';

/**
 * Stands in for relay, engine and worker: takes what the API asked the engine for, and settles release
 * requests. The reference `missing` is refused, every other one resolves to a digest made from its name.
 */
export class FakeReleaseResolver {
  readonly #api: TestApi;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();
  /** Messages that are not release requests, as they came. */
  readonly seen: { readonly kind: string; readonly body: Record<string, unknown> }[] = [];

  constructor(api: TestApi) {
    this.#api = api;
  }

  /** Begins to look for messages every few milliseconds. */
  start(): void {
    this.#timer = setInterval(() => {
      this.#running = this.#running.then(() => this.deliver());
    }, 25);
  }

  /** Takes what is there now. */
  async deliver(): Promise<void> {
    for (const message of await claimOutbox(this.#api.relayPool)) {
      const isRequest =
        message.kind === 'start-workflow' && message.body.workflowType === WORKFLOWS.resolveRelease;
      if (isRequest) await this.#settle(message.body.input as ResolveReleaseInput);
      else this.seen.push({ kind: message.kind, body: { ...message.body } });
      await settleOutbox(this.#api.relayPool, message);
    }
  }

  /** Ends it; waits for what it does. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#running;
  }

  async #settle(input: ResolveReleaseInput): Promise<void> {
    await withTenant(this.#api.workerPool, input.tenantId, async (tx) => {
      const missing = input.components.find(({ reference }) => reference === 'missing');
      if (missing !== undefined) {
        await settleReleaseRequest(tx, input.requestId, {
          state: 'refused',
          code: 'tag-unknown',
          message: `There is no tag missing in ${missing.source}.`,
        });
        return;
      }
      const stored = await insertRelease(tx, {
        release: releaseOf(input),
        createdBy: input.requestedBy,
      });
      if (!stored.ok) throw new Error(stored.refusal.message);
      const { releaseDigest } = stored.value;
      await settleReleaseRequest(tx, input.requestId, { state: 'created', releaseDigest });
    });
  }
}

function releaseOf({ name, version, components }: ResolveReleaseInput): Release {
  const composed = composeRelease(
    name,
    version,
    components.map(({ name: component, source, reference }) => ({
      name: component,
      kind: 'oci',
      digest: digestOfBytes(`${source}/${reference}`),
      version: reference,
    })),
  );
  if (!composed.ok) throw new Error(composed.refusal.message);
  return composed.value;
}
