import { CliError, EXIT_CODES } from './exit-codes.ts';

/** A parameter whose form is known. */
export interface KnownParameter {
  readonly name: string;
  readonly schema: { readonly type: string };
}

/**
 * Values for parameters from `name=value`: a text as it is where the parameter is known to be a text; else JSON where it is JSON, and a
 * text where it is none.
 * @throws CliError `option-invalid`
 */
export function givenParameters(
  words: readonly string[] | undefined,
  known: readonly KnownParameter[],
): Readonly<Record<string, unknown>> {
  const values = new Map<string, unknown>();
  for (const word of words ?? []) {
    const at = word.indexOf('=');
    const name = word.slice(0, Math.max(at, 0));
    if (name === '') {
      const message = `--parameter is "${word}".`;
      throw new CliError(EXIT_CODES.usage, 'option-invalid', message, 'Write name=value.');
    }
    if (values.has(name)) {
      const message = `--parameter gives ${name} twice.`;
      throw new CliError(EXIT_CODES.usage, 'option-invalid', message, 'Give it once.');
    }
    const isText = known.find((each) => each.name === name)?.schema.type === 'string';
    const text = word.slice(at + 1);
    values.set(name, isText ? text : valueOf(text));
  }
  return Object.fromEntries(values);
}

function valueOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
