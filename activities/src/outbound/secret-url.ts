import { readSecret, type SecretRun } from '../secrets/read-secret.ts';
import type { SecretSource } from '../secrets/secret-source.ts';

/** What is shorter is found in texts of all kinds: `v1`, `hooks`, `true`. */
const MIN_PIECE = 8;

/** A path that is shorter than this is no secret. */
const MIN_PATH = 5;

/** Pieces that are looked for, the longest ones; a URL has room for more than anybody writes. */
const MAX_PIECES = 100;

/** A URL that is a secret. */
export interface SecretUrl {
  readonly url: string;
  /** All that must not be shown of it, itself included. */
  readonly secrets: readonly string[];
}

/**
 * Reads a secret URL for a step, and has it masked in the step's log from then on: the whole of it, and what a service repeats of it.
 * @throws SecretError
 */
export async function readSecretUrl(
  run: SecretRun,
  source: SecretSource | undefined,
  name: string,
): Promise<SecretUrl> {
  const url = await readSecret(run, source, name);
  const secrets = listUrlSecrets(url);
  for (const secret of secrets) if (secret !== url) run.output.hide(secret);
  return { url, secrets };
}

/**
 * What must not be shown of a secret URL. Services repeat its path (`Cannot POST /…`, `Location: /…`) or a piece of it, and there the token
 * stands: so its path with the query is a secret, and its path's segments and the query's values that are long enough to be one, as they
 * are sent and decoded.
 */
export function listUrlSecrets(text: string): readonly string[] {
  if (!URL.canParse(text)) return [text];
  const { href, pathname, search, searchParams } = new URL(text);
  const pieces = [
    ...pathname.split('/'),
    ...search.replace(/^\?/, '').split(/[&=]/),
    ...searchParams.keys(),
    ...searchParams.values(),
    pathname,
  ].flatMap((piece) => [piece, decode(piece)]);
  const long = [...new Set(pieces)]
    .filter((piece) => piece.length >= MIN_PIECE)
    .sort((left, right) => right.length - left.length)
    .slice(0, MAX_PIECES);
  const path = pathname + search;
  const whole = path.length < MIN_PATH ? [] : [path, decode(path)];
  return [...new Set([text, href, ...whole, ...long])];
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
