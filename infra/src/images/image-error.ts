/** Stable codes of the ways in which an image cannot be made or taken over. */
export type ImageErrorCode =
  | 'image-usage'
  | 'image-recipe-unsupported'
  | 'image-file-missing'
  | 'image-archive-invalid'
  | 'image-layout-invalid'
  | 'image-tar-failed';

/** An image that could not be made or taken over; the message says which, why and what to do. */
export class ImageError extends Error {
  readonly code: ImageErrorCode;

  constructor(code: ImageErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ImageError';
    this.code = code;
  }
}
