/** A stored word as the schema's enum has it: `linux-host` becomes `LINUX_HOST`. */
export function enumName(word: string): string {
  return word.toUpperCase().replaceAll('-', '_');
}

/** The other way round: `LINUX_HOST` becomes `linux-host`. */
export function storedWord(name: string): string {
  return name.toLowerCase().replaceAll('_', '-');
}
