/** Lines above which a text is shown as wholly removed and wholly added: the comparison takes the square of them. */
const MAX_LINES = 400;

/** One line of two texts: in the first, in the second, or in both. */
export interface DifferenceLine {
  readonly sign: '-' | '+' | ' ';
  readonly text: string;
}

/** A longest common subsequence of lines, with what is removed and added between; removed ones first. */
export function differenceOfLines(before: string, after: string): readonly DifferenceLine[] {
  const old = linesOf(before);
  const now = linesOf(after);
  const removed = (text: string): DifferenceLine => ({ sign: '-', text });
  const added = (text: string): DifferenceLine => ({ sign: '+', text });
  if (old.length > MAX_LINES || now.length > MAX_LINES) {
    return [...old.map(removed), ...now.map(added)];
  }
  const width = now.length + 1;
  const common = new Uint16Array((old.length + 1) * width);
  const at = (i: number, j: number): number => common[i * width + j] as number;
  for (let i = old.length - 1; i >= 0; i -= 1) {
    for (let j = now.length - 1; j >= 0; j -= 1) {
      common[i * width + j] =
        old[i] === now[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const lines: DifferenceLine[] = [];
  let [i, j] = [0, 0];
  while (i < old.length && j < now.length) {
    if (old[i] === now[j]) {
      lines.push({ sign: ' ', text: old[i] as string });
      i += 1;
      j += 1;
    } else if (at(i + 1, j) >= at(i, j + 1)) {
      lines.push(removed(old[i] as string));
      i += 1;
    } else {
      lines.push(added(now[j] as string));
      j += 1;
    }
  }
  return [...lines, ...old.slice(i).map(removed), ...now.slice(j).map(added)];
}

function linesOf(text: string): readonly string[] {
  return (text.endsWith('\n') ? text.slice(0, -1) : text).split('\n');
}
