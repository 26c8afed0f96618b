/** The digits of a digest: what its files and folders are called. */
export function hexOf(digest: string): string {
  return digest.slice('sha256:'.length);
}
