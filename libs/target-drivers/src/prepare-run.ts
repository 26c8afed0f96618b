import type { CommandPayload } from '@sluice/domain';
import type { UnpackLimits } from '@sluice/oci';
import type { ClosureStore } from './closure-store.ts';
import { DriverError } from './driver-error.ts';
import { imageCommand } from './image-command.ts';
import { fetchImage } from './image-fetch.ts';
import type { ImageStore } from './image-store.ts';
import { fetchClosures } from './nix-fetch.ts';
import type { PreparedRun } from './release-folders.ts';
import type { BlobSource } from './target-driver.ts';

/**
 * Brings what a release runs to this host: one image, or the closures of store paths.
 * @throws DriverError `components-unsupported`, and as {@link fetchImage} and {@link fetchClosures}
 */
export async function prepareRun(
  { release, components }: NonNullable<CommandPayload['desired']>,
  options: {
    readonly source: BlobSource;
    readonly images: ImageStore;
    readonly closures: ClosureStore;
    readonly limits: Partial<UnpackLimits> | undefined;
    readonly searchPath: string;
    readonly onUnpacked: () => Promise<void>;
    readonly signal: AbortSignal | undefined;
  },
): Promise<PreparedRun> {
  if (components.length > 0 && components.every(({ kind }) => kind === 'nix')) {
    return { nix: await fetchClosures({ ...options, components }) };
  }
  const [component, ...others] = components;
  if (component?.kind !== 'oci' || others.length > 0) {
    const which = components.map(({ name, kind }) => `${name} (${kind})`).join(', ');
    throw new DriverError(
      'components-unsupported',
      `A Linux host takes releases of one component of kind oci, or of components of kind nix; ${release.name} ${release.version} has ${which}.`,
    );
  }
  const { images, signal } = options;
  const { digest } = component;
  const { size } = component.manifest;
  const image =
    (await images.findKept(digest, size, signal)) ??
    (await fetchImage({ ...options, blob: { digest, size } }));
  return { image: digest, command: imageCommand(image.config, digest), env: image.config.env };
}
