import { ENROLMENT_KEY_BYTES } from '@sluice/pure';
import { readPrivateFile } from '@sluice/signing';

/**
 * Reads the enrolment key: {@link ENROLMENT_KEY_BYTES} bytes in base64, in a file that only its owner may read.
 * @throws Error naming the file and what to do; never with the key in it
 */
export function readEnrolmentKeyFile(path: string): Uint8Array {
  const bytes = Buffer.from(readPrivateFile(path).trim(), 'base64');
  if (bytes.byteLength !== ENROLMENT_KEY_BYTES) {
    throw new Error(
      `${path} holds ${bytes.byteLength} bytes, an enrolment key has ${ENROLMENT_KEY_BYTES}: write them in base64.`,
    );
  }
  return new Uint8Array(bytes);
}
