// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not reach a terminal
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/g;

/**
 * A text without control and direction characters: what comes from a file, an image or a server must not steer the
 * reader's terminal.
 */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, '?');
}
