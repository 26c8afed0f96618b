import { accepted, type Outcome } from '@sluice/domain';
import { digestOf } from '@sluice/pure';
import type { Activation, ActiveRelease, BlobSource, TargetDriver } from '@sluice/target-drivers';

/** A driver that does nothing but remember; its outcomes can be set, and its waits made endless. */
export class FakeTargetDriver implements TargetDriver {
  readonly calls: string[] = [];
  healthy: Outcome<true> = accepted(true);
  /** This call of this release ends only by its signal. */
  endless:
    | { readonly call: 'prepare' | 'confirm' | 'revert'; readonly version: string }
    | undefined;
  #prepared = new Map<string, { activation: Activation; previous: ActiveRelease | undefined }>();
  #active: ActiveRelease | undefined;

  async prepare(activation: Activation, _source: BlobSource, signal?: AbortSignal): Promise<void> {
    this.calls.push('prepare');
    await this.#wait('prepare', activation, signal);
    this.#prepared.set(activation.id, { activation, previous: this.#active });
  }

  async activate(activationId: string): Promise<void> {
    this.calls.push('activate');
    const desired = this.#prepared.get(activationId)?.activation.desired ?? null;
    this.#active =
      desired === null
        ? undefined
        : {
            activationId,
            releaseDigest: desired.release.digest,
            settingsDigest: digestOf(desired.settings),
          };
  }

  async confirm(activationId: string, signal?: AbortSignal): Promise<Outcome<true>> {
    this.calls.push('confirm');
    await this.#wait('confirm', this.#prepared.get(activationId)?.activation, signal);
    return this.healthy;
  }

  async revert(activationId: string, signal?: AbortSignal): Promise<Outcome<true>> {
    this.calls.push('revert');
    const { activation, previous } = this.#prepared.get(activationId) ?? {};
    this.#active = previous;
    await this.#wait('revert', activation, signal).catch(() => undefined);
    return accepted(true);
  }

  async findActive(): Promise<ActiveRelease | undefined> {
    return this.#active;
  }

  async resume(): Promise<void> {
    this.calls.push('resume');
  }

  async close(): Promise<void> {
    this.calls.push('close');
  }

  async #wait(
    call: string,
    activation: Activation | undefined,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    if (this.endless?.call !== call) return;
    if (this.endless.version !== activation?.desired?.release.version) return;
    signal?.throwIfAborted();
    await new Promise((_, reject) => {
      signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
    });
  }
}
