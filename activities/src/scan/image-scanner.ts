import type { MisconfigurationFinding, SecretFinding } from './findings.ts';

/** One image that lies, complete and verified, as an OCI layout of its own in a folder. */
export interface ScannableImage {
  /** Name of the release's component. */
  readonly component: string;
  /** Digest of the image manifest. */
  readonly digest: string;
  /** When the image says it was made, RFC 3339; the epoch when it says nothing. */
  readonly createdAt: string;
  /** Folder of the layout. */
  readonly layout: string;
  /** An empty folder for the scanner's own files. */
  readonly scratch: string;
  /** Milliseconds that this scan may take; the scanner's own limit when absent or longer. */
  readonly timeoutMs?: number;
}

/** What a scanner says of one image; the same image gives the same value. */
export interface ImageScan {
  readonly scanner: { readonly name: string; readonly version: string };
  readonly secrets: readonly SecretFinding[];
  readonly misconfigurations: readonly MisconfigurationFinding[];
  readonly packages: number;
  /** The scanner's own report without times and without what secrets match. */
  readonly report: unknown;
  /** CycloneDX in normal form. */
  readonly sbom: unknown;
}

/** Looks into an image. */
export interface ImageScanner {
  /**
   * @throws ApplicationFailure `ScannerUnavailable` when the scanner can't be run here, `ScannerFailed` when it
   *   ended badly, ran past its deadline or printed something that is no report
   */
  scan(image: ScannableImage, cancellation: AbortSignal): Promise<ImageScan>;
}
