import { printable } from '@sluice/pure';
import type { StepKind } from './step-facts.ts';

/** What lines and nodes are drawn with. */
export interface Symbols {
  readonly nodes: Readonly<Record<StepKind, string>>;
  /** By the sides that a line leaves to: up 1, down 2, left 4, right 8. */
  readonly lines: readonly string[];
  readonly undone: string;
  readonly separator: string;
  readonly cut: string;
  readonly arrow: string;
  /** A text that somebody wrote, with no more than this terminal shows, and nothing that steers it. */
  readonly shown: (text: string) => string;
}

/** For terminals that show Unicode. Rounded corners, as `git log --graph` lacks them. */
export const UNICODE_SYMBOLS: Symbols = {
  nodes: { step: '●', decision: '◆', matrix: '▣', pause: '○' },
  //       -    u    d    ud   l    lu   ld   lud  r    ru   rd   rud  lr   lru  lrd  all
  lines: [' ', '│', '│', '│', '─', '╯', '╮', '┤', '─', '╰', '╭', '├', '─', '┴', '┬', '┼'],
  undone: '↺',
  separator: ' · ',
  cut: '…',
  arrow: '→',
  shown: printable,
};

/** For all others. */
export const ASCII_SYMBOLS: Symbols = {
  nodes: { step: 'o', decision: '?', matrix: '#', pause: '~' },
  lines: [' ', '|', '|', '|', '-', "'", '.', '+', '-', "'", '.', '+', '-', '+', '+', '+'],
  undone: 'undo',
  separator: ', ',
  cut: '...',
  arrow: '->',
  shown: (text) =>
    printable(text)
      .replaceAll('…', '...')
      .replace(/[^ -~]/gu, '?'),
};
