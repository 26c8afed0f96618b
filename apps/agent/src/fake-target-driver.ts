import { accepted, type Outcome } from '@sluice/domain';
import type { Activation, ActiveRelease, BlobSource, TargetDriver } from '@sluice/target-drivers';

/** A driver that does nothing but remember; its outcomes can be set. */
export class FakeTargetDriver implements TargetDriver {
  readonly calls: string[] = [];
  healthy: Outcome<true> = accepted(true);
  #prepared = new Map<string, { activation: Activation; previous: ActiveRelease | undefined }>();
  #active: ActiveRelease | undefined;

  async prepare(activation: Activation, _source: BlobSource): Promise<void> {
    this.calls.push('prepare');
    this.#prepared.set(activation.id, { activation, previous: this.#active });
  }

  async activate(activationId: string): Promise<void> {
    this.calls.push('activate');
    const release = this.#prepared.get(activationId)?.activation.desired?.release;
    this.#active =
      release === undefined ? undefined : { activationId, releaseDigest: release.digest };
  }

  async confirm(): Promise<Outcome<true>> {
    this.calls.push('confirm');
    return this.healthy;
  }

  async revert(activationId: string): Promise<Outcome<true>> {
    this.calls.push('revert');
    this.#active = this.#prepared.get(activationId)?.previous;
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
}
