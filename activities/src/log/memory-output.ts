import { LogMasker } from '@sluice/sandbox';
import type { StepOutput } from '../step/step-type.ts';
import { ReadableText } from './readable-text.ts';

/** A step's log for tests: shown as the real one shows it, and kept in memory without a bound. */
export interface MemoryOutput extends StepOutput {
  /** What was written so far, but what is held back until it is known to be no secret. */
  readonly text: string;
}

/** See {@link MemoryOutput}. */
export function createMemoryOutput(): MemoryOutput {
  const masker = new LogMasker([]);
  const readable = new ReadableText();
  let text = '';
  return {
    get text() {
      return text;
    },
    write: (chunk) => {
      text += readable.push(masker.push(Buffer.from(chunk as Uint8Array)));
    },
    hide: (secret) => masker.add(Buffer.from(secret)),
  };
}
