import type { Activation } from './target-driver.ts';

/** File name of the version sticker. */
export const STICKER_FILE = 'sluice.version.json';

/** What lies on a target and says what is deployed there; drift is this against running against desired. */
export interface VersionSticker {
  /** Of this format. */
  readonly version: '1.0';
  /** RFC 3339. */
  readonly generatedAt: string;
  readonly generator: string;
  readonly release: {
    /** Digest of the release. */
    readonly id: string;
    readonly name: string;
    readonly version: string;
    readonly components: readonly {
      readonly name: string;
      readonly digest: string;
      readonly version: string;
    }[];
  };
  readonly deployment: {
    /** `<promotion>/<target>`: one target's part of a promotion. */
    readonly id: string;
    readonly promotionId: string;
    readonly environment: string;
    readonly target: string;
    readonly strategy: 'replace';
    readonly planDigest: string;
    /** RFC 3339. */
    readonly startedAt: string;
  };
}

/** The sticker of an activation; null when it empties the target. */
export function composeSticker(
  activation: Activation,
  generator: string,
  at: string,
): VersionSticker | null {
  const { desired, promotionId, environment, target, planDigest } = activation;
  if (desired === null) return null;
  const { digest: id, name, version } = desired.release;
  return {
    version: '1.0',
    generatedAt: at,
    generator,
    release: {
      id,
      name,
      version,
      components: desired.components.map((component) => ({
        name: component.name,
        digest: component.digest,
        version: component.version,
      })),
    },
    deployment: {
      id: `${promotionId}/${target}`,
      promotionId,
      environment,
      target,
      strategy: 'replace',
      planDigest,
      startedAt: at,
    },
  };
}
