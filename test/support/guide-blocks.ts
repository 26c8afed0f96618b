/** One fenced command block of a guide. */
export interface GuideBlock {
  /** The heading above it, and its first line. */
  readonly title: string;
  /** The program without which it cannot run: the word behind `bash`. */
  readonly needs: string | undefined;
  readonly commands: string;
  /** What the `text` block below it says that it prints: lines in order, with `…` for what differs. */
  readonly prints: readonly string[];
}

/** All `bash` blocks of a Markdown text, in order; blocks in languages other than these and `text` are refused. */
export function readGuideBlocks(markdown: string): readonly GuideBlock[] {
  const blocks: GuideBlock[] = [];
  let heading = '';
  for (const [, title, info = '', content = ''] of markdown.matchAll(
    /^(?:#+ (.+)|```(.*)\n([\s\S]*?)^```)$/gm,
  )) {
    if (title !== undefined) {
      heading = title;
      continue;
    }
    const [language, needs] = info.split(' ');
    const lines = content.split('\n').filter((line) => line.trim() !== '');
    const last = blocks.at(-1);
    if (language === 'text' && last?.prints.length === 0) {
      blocks[blocks.length - 1] = { ...last, prints: lines };
      continue;
    }
    if (language !== 'bash') {
      throw new Error(`A block below "${heading}" is ${info}, neither bash nor its output.`);
    }
    const [first = ''] = lines;
    blocks.push({ title: `${heading}: ${first}`, needs, commands: content, prints: [] });
  }
  return blocks;
}

/**
 * The first line that an output does not have behind those before it; undefined when all are there. However an output is
 * broken into lines, only its words count.
 */
export function findUnprinted(output: string, lines: readonly string[]): string | undefined {
  let rest = squeeze(output);
  for (const line of lines) {
    const pattern = squeeze(line)
      .split('…')
      .map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'))
      .join('.*?');
    const match = new RegExp(pattern).exec(rest);
    if (match === null) return line;
    rest = rest.slice(match.index + match[0].length);
  }
  return undefined;
}

function squeeze(text: string): string {
  return text.replaceAll(/\s+/g, ' ').trim();
}
