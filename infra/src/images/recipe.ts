import { ImageError } from './image-error.ts';

/** What a Dockerfile that begins with `FROM scratch` says, as far as no command has to be run. */
export type Recipe = {
  readonly copies: readonly { readonly sources: readonly string[]; readonly to: string }[];
  /** `NAME=value` lines. */
  readonly env: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  readonly workingDir: string;
  readonly user: string;
  readonly ports: readonly string[];
};

const KNOWN = 'FROM scratch, COPY, ADD (files), ENV, LABEL, WORKDIR, USER, EXPOSE, ENTRYPOINT, CMD';

/**
 * Reads a Dockerfile that only puts files together. Everything that needs a builder (another base
 * image, `RUN`, build arguments, flags, several stages, the shell form of commands) is refused.
 *
 * @see {@link https://docs.docker.com/reference/dockerfile/}
 * @throws ImageError `image-recipe-unsupported` with the line.
 */
export function parseRecipe(text: string): Recipe {
  const builder = new RecipeBuilder();
  for (const { line, number } of joinLines(text)) {
    const [, name = '', rest = ''] = /^(\S+)\s*(.*)$/s.exec(line) ?? [];
    builder.add(name.toUpperCase(), rest.trim(), number);
  }
  return builder.finish();
}

class RecipeBuilder {
  #hasBegun = false;
  readonly #copies: { sources: string[]; to: string }[] = [];
  readonly #env = new Map<string, string>();
  readonly #labels: Record<string, string> = {};
  readonly #ports: string[] = [];
  #entrypoint: readonly string[] = [];
  #cmd: readonly string[] = [];
  #workingDir = '/';
  #user = '';

  add(name: string, rest: string, number: number): void {
    if (!this.#hasBegun) {
      if (name !== 'FROM' || rest !== 'scratch') {
        throw unsupported(number, `it begins with "${name} ${rest}"`);
      }
      this.#hasBegun = true;
      return;
    }
    switch (name) {
      case 'COPY':
      case 'ADD':
        this.#copy(name, rest, number);
        break;
      case 'ENV':
        for (const [key, value] of readPairs(rest, number)) this.#env.set(key, value);
        break;
      case 'LABEL':
        for (const [key, value] of readPairs(rest, number)) this.#labels[key] = value;
        break;
      case 'EXPOSE':
        this.#ports.push(...rest.split(/\s+/));
        break;
      case 'WORKDIR':
        this.#workingDir = joinPath(this.#workingDir, rest);
        break;
      case 'USER':
        this.#user = rest;
        break;
      case 'ENTRYPOINT':
        this.#entrypoint = readWords(name, rest, number);
        break;
      case 'CMD':
        this.#cmd = readWords(name, rest, number);
        break;
      default:
        throw unsupported(number, `it has ${name}`);
    }
  }

  finish(): Recipe {
    if (!this.#hasBegun) {
      throw new ImageError(
        'image-recipe-unsupported',
        'The Dockerfile is empty; begin it with FROM scratch.',
      );
    }
    return {
      copies: this.#copies,
      env: [...this.#env].map(([name, value]) => `${name}=${value}`),
      labels: this.#labels,
      entrypoint: this.#entrypoint,
      cmd: this.#cmd,
      workingDir: this.#workingDir,
      user: this.#user,
      ports: this.#ports,
    };
  }

  #copy(name: string, rest: string, number: number): void {
    const words = rest.startsWith('[') ? readWords(name, rest, number) : rest.split(/\s+/);
    if (
      words.some((word) => word.startsWith('--') || /^[a-z]+:\/\//.test(word) || /[*?$]/.test(word))
    ) {
      throw unsupported(number, `its ${name} has a flag, a pattern, a variable or an address`);
    }
    if (name === 'ADD' && words.slice(0, -1).some((word) => /\.(tar|tgz|gz|xz|bz2)$/.test(word))) {
      throw unsupported(number, 'ADD would unpack an archive');
    }
    const to = words.at(-1);
    if (words.length < 2 || to === undefined) {
      throw unsupported(number, `its ${name} names no place`);
    }
    const isFolder = to.endsWith('/') || to === '.' || words.length > 2;
    this.#copies.push({
      sources: words.slice(0, -1),
      to: joinPath(this.#workingDir, to) + (isFolder ? '/' : ''),
    });
  }
}

/** Lines that end in a backslash go on; comments and empty lines are nothing. */
function* joinLines(text: string): Generator<{ line: string; number: number }> {
  let joined = '';
  let begun = 0;
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) {
      continue;
    }
    begun = joined === '' ? index + 1 : begun;
    if (line.endsWith('\\')) {
      joined += `${line.slice(0, -1)} `;
      continue;
    }
    yield { line: joined + line, number: begun };
    joined = '';
  }
  if (joined !== '') {
    yield { line: joined.trim(), number: begun };
  }
}

function readPairs(rest: string, number: number): [string, string][] {
  const pairs = [...rest.matchAll(/([\w.-]+)=(?:"([^"$\\]*)"|([^\s"'$\\]*))(?:\s+|$)/gy)];
  if (pairs.length === 0 || pairs.map(([whole]) => whole).join('') !== rest) {
    throw unsupported(number, `"${rest}" is not NAME=value, or has a variable in it`);
  }
  return pairs.map(([, name = '', quoted, plain = '']) => [name, quoted ?? plain]);
}

function readWords(name: string, rest: string, number: number): string[] {
  try {
    const words = JSON.parse(rest) as unknown;
    if (Array.isArray(words) && words.every((word) => typeof word === 'string')) {
      return words;
    }
  } catch {
    // Said below.
  }
  throw unsupported(number, `its ${name} is not in the form ["program", "argument"]`);
}

function joinPath(base: string, path: string): string {
  const parts = (path.startsWith('/') ? path : `${base}/${path}`).split('/');
  const kept: string[] = [];
  for (const part of parts) {
    if (part === '..') kept.pop();
    else if (part !== '' && part !== '.') kept.push(part);
  }
  return `/${kept.join('/')}`;
}

function unsupported(number: number, what: string): ImageError {
  return new ImageError(
    'image-recipe-unsupported',
    `Line ${number} of the Dockerfile cannot be packed without a builder: ${what}. Known are ${KNOWN}; for the rest build it with docker and import what docker saves.`,
  );
}
