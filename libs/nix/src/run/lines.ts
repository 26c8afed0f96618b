/** One line of output, without its end. */
export interface OutputLine {
  readonly text: string;
  /** True when the line was longer than what is kept of it. */
  readonly cut: boolean;
}

const NEWLINE = 0x0a;

/**
 * Takes lines out of chunks; of longer ones the beginning is kept. Bytes that are no UTF-8 become U+FFFD.
 * @param longest bytes
 */
export async function* splitLines(
  source: AsyncIterable<Uint8Array>,
  longest: number,
): AsyncGenerator<OutputLine, void, undefined> {
  let kept: Buffer[] = [];
  let size = 0;
  let cut = false;
  const line = (): OutputLine => {
    const text = Buffer.concat(kept).toString('utf8').replace(/\r$/, '');
    const result = { text, cut };
    kept = [];
    size = 0;
    cut = false;
    return result;
  };
  for await (const chunk of source) {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
    for (let at = 0; at < bytes.length; ) {
      const end = bytes.indexOf(NEWLINE, at);
      const part = bytes.subarray(at, end < 0 ? bytes.length : end);
      const room = longest - size;
      if (part.length > room) cut = true;
      if (room > 0 && part.length > 0) {
        // A copy, so that a short rest does not hold a whole chunk.
        kept.push(Buffer.from(part.subarray(0, room)));
        size += Math.min(part.length, room);
      }
      at += part.length + 1;
      if (end >= 0) yield line();
    }
  }
  if (size > 0) yield line();
}
