/** Characters that take no column: combining marks, joiners, variation selectors. */
const ZERO = /^[\p{Mn}\p{Me}\u200b-\u200d\u2060\ufe00-\ufe0f]$/u;

/** Characters that take two: East Asian wide and full-width forms, and emoji. Unicode Standard Annex 11. */
const WIDE =
  /^[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{16fe0}-\u{18aff}\u{1b000}-\u{1b2fb}\u{1f200}-\u{1f2ff}\u{20000}-\u{3fffd}\p{Emoji_Presentation}]$/u;

/** Columns that a text takes in a terminal. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const character of text) width += characterWidth(character);
  return width;
}

/** A text of at most so many columns; what was cut is marked. */
export function fitText(text: string, columns: number, mark = '…'): string {
  if (displayWidth(text) <= columns) return text;
  const room = columns - displayWidth(mark);
  if (room < 0) return '';
  let fitted = '';
  let width = 0;
  for (const character of text) {
    width += characterWidth(character);
    if (width > room) break;
    fitted += character;
  }
  return `${fitted.trimEnd()}${mark}`;
}

/** Lines of at most so many columns, broken at spaces where there are some; the last one is marked when there would be more. */
export function wrapText(text: string, columns: number, maxLines: number, mark = '…'): string[] {
  const lines: string[] = [];
  let rest = text.trim();
  while (rest !== '' && lines.length < maxLines) {
    if (displayWidth(rest) <= columns) {
      lines.push(rest);
      break;
    }
    if (lines.length === maxLines - 1) {
      lines.push(fitText(rest, columns, mark));
      break;
    }
    const fits = fitText(rest, columns, '');
    const space = rest[fits.length] === ' ' ? fits.length : fits.lastIndexOf(' ');
    const cut = space > 0 ? space : Math.max(fits.length, 1);
    lines.push(rest.slice(0, cut).trimEnd());
    rest = rest.slice(cut).trimStart();
  }
  return lines;
}

function characterWidth(character: string): number {
  const code = character.codePointAt(0) as number;
  if (code < 0x300) return 1;
  if (ZERO.test(character)) return 0;
  return WIDE.test(character) ? 2 : 1;
}
