const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;
/** Shorter lines of a secret of several lines say little, and would blot out much. */
const SHORTEST_LINE = 8;
/** Shorter encoded forms are found in texts that have nothing to do with the secret. */
const SHORTEST_ENCODED = 8;
/** Of shorter secrets they are mostly padding. Bytes. */
const SHORTEST_SECRET = 4;
/** Encoded forms of longer secrets are not looked for: they would cost more than all else. */
const LONGEST_ENCODED = 4096;
/** Where base64(1) and MIME, and where PEM breaks lines. */
const BASE64_LINES = [76, 64] as const;

/**
 * The texts in which a secret can be seen: as it is, each longer line of it (tools print them indented), and as it is usually encoded: Base64
 * (both alphabets, anywhere within other encoded bytes, and in lines), percent-encoding, escapes of JSON, hexadecimal.
 */
export function listSecretForms(secret: Uint8Array): Buffer[] {
  const whole = withoutLineEnd(Buffer.from(secret));
  if (whole.length === 0) return [];
  const forms = new Map<string, Buffer>();
  const add = (form: Buffer): void => {
    forms.set(form.toString('latin1'), form);
  };
  add(whole);
  if (whole.includes(LINE_FEED)) {
    for (const line of linesOf(whole)) if (line.length >= SHORTEST_LINE) add(line);
  }
  if (whole.length >= SHORTEST_SECRET && whole.length <= LONGEST_ENCODED) {
    for (const text of listEncodings(whole)) {
      if (text.length >= SHORTEST_ENCODED) add(Buffer.from(text, 'latin1'));
    }
  }
  return [...forms.values()];
}

function* listEncodings(secret: Buffer): Generator<string> {
  for (const offset of [0, 1, 2]) {
    for (const plain of listBase64(secret, offset)) {
      yield plain;
      yield plain.replaceAll('+', '-').replaceAll('/', '_');
      yield encodeURIComponent(plain);
    }
  }
  const aligned = secret.toString('base64');
  for (const width of BASE64_LINES) {
    if (aligned.length <= width) continue;
    for (let at = 0; at < aligned.length; at += width) yield aligned.slice(at, at + width);
  }
  const hexadecimal = secret.toString('hex');
  yield hexadecimal;
  yield hexadecimal.toUpperCase();
  const text = secret.toString('utf8');
  if (!Buffer.from(text).equals(secret)) return;
  const percent = encodeURIComponent(text);
  yield percent;
  yield percent.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase());
  yield percent.replaceAll('%20', '+');
  // As forms are sent: what encodeURIComponent leaves is encoded, too.
  yield new URLSearchParams([['', text]]).toString().slice(1);
  const escaped = JSON.stringify(text).slice(1, -1);
  yield Buffer.from(escaped).toString('latin1');
  yield escaped.replaceAll('/', '\\/');
}

/** Base64 of the secret when so many bytes (by three) stand before it: followed by others, and at the end. */
function listBase64(secret: Buffer, offset: number): string[] {
  const encoded = Buffer.concat([Buffer.alloc(offset), secret]).toString('base64');
  const from = Math.ceil((offset * 8) / 6);
  const whole = Math.floor(((offset + secret.length) * 8) / 6);
  const padded = encoded.slice(from);
  return [encoded.slice(from, whole), padded.replace(/=+$/, ''), padded];
}

function linesOf(bytes: Buffer): Buffer[] {
  const lines: Buffer[] = [];
  for (let from = 0; from <= bytes.length; ) {
    const found = bytes.indexOf(LINE_FEED, from);
    const to = found < 0 ? bytes.length : found;
    lines.push(withoutLineEnd(bytes.subarray(from, to)));
    from = to + 1;
  }
  return lines;
}

/** Programs that read a secret from a file drop the end of its last line. */
function withoutLineEnd(bytes: Buffer): Buffer {
  let end = bytes.length;
  while (end > 0 && (bytes[end - 1] === LINE_FEED || bytes[end - 1] === CARRIAGE_RETURN)) end -= 1;
  return bytes.subarray(0, end);
}
