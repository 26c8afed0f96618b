/** A stored word as the schema's enum has it: `linux-host` becomes `LINUX_HOST`. */
export function enumName(word: string): string {
  return word.toUpperCase().replaceAll('-', '_');
}
