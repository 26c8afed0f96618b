/** One fenced command block of a guide. */
export interface GuideBlock {
  /** The heading above it, and its first line. */
  readonly title: string;
  /** The program without which it cannot run: the word behind `bash`. */
  readonly needs: string | undefined;
  readonly commands: string;
}

/** All `bash` blocks of a Markdown text, in order; blocks in other languages are refused. */
export function readGuideBlocks(markdown: string): readonly GuideBlock[] {
  const blocks: GuideBlock[] = [];
  let heading = '';
  for (const [, title, info = '', commands = ''] of markdown.matchAll(
    /^(?:#+ (.+)|```(.*)\n([\s\S]*?)^```)$/gm,
  )) {
    if (title !== undefined) {
      heading = title;
      continue;
    }
    const [language, needs] = info.split(' ');
    if (language !== 'bash') throw new Error(`A block below "${heading}" is ${info}, not bash.`);
    const [first = ''] = commands.split('\n');
    blocks.push({ title: `${heading}: ${first}`, needs, commands });
  }
  return blocks;
}
