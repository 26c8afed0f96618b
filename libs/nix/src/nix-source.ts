import { isAbsolute } from 'node:path';
import { NixError, printable } from './nix-error.ts';

/** What is evaluated. */
export type NixSource =
  | {
      /** Flake reference without an attribute; relative ones from `folder`. */
      readonly flake: string;
      /** Its default package when absent. */
      readonly attribute?: string;
      readonly folder?: string;
    }
  | {
      readonly expression: string;
      /** What of its value; all of it when absent. */
      readonly attribute?: string;
      /** Absolute; the only folder that the expression may read. None when absent. */
      readonly folder?: string;
    }
  | {
      /** Absolute path of a Nix file. */
      readonly file: string;
      readonly attribute?: string;
      /** As with an expression. */
      readonly folder: string;
    };

const ATTRIBUTE = /^[A-Za-z0-9_][A-Za-z0-9_'-]*(?:\.(?:[A-Za-z0-9_'-]+|"[A-Za-z0-9_'.+-]+"))*$/;

/**
 * Arguments of `nix eval` for a source, and where it runs.
 * @throws NixError `nix-input-invalid`
 */
export function sourceArguments(source: NixSource): {
  readonly args: readonly string[];
  readonly cwd: string | undefined;
} {
  const { attribute, folder } = source;
  if (attribute !== undefined && !ATTRIBUTE.test(attribute)) {
    throw invalid('attribute', attribute, 'Write names with dots between them.');
  }
  if (folder !== undefined && !isAbsolute(folder)) {
    throw invalid('folder', folder, 'Give an absolute path.');
  }
  if ('flake' in source) {
    // What follows a "#" or "^" would be another attribute or output.
    if (!/^[^-#^\s\0][^#^\s\0]*$/.test(source.flake)) {
      throw invalid('flake', source.flake, 'Give a flake reference without the attribute.');
    }
    const installable = attribute === undefined ? source.flake : `${source.flake}#${attribute}`;
    return { args: [installable], cwd: folder };
  }
  const restricted = ['--impure', '--option', 'restrict-eval', 'true'];
  const readable = folder === undefined ? [] : ['-I', `folder=${folder}`];
  const what = attribute === undefined ? [] : [attribute];
  if ('file' in source) {
    if (!isAbsolute(source.file)) throw invalid('file', source.file, 'Give an absolute path.');
    return { args: [...restricted, ...readable, '--file', source.file, ...what], cwd: folder };
  }
  if (source.expression.includes('\0')) {
    throw invalid('expression', source.expression, 'Leave the NUL byte out.');
  }
  return { args: [...restricted, ...readable, '--expr', source.expression, ...what], cwd: folder };
}

function invalid(what: string, value: string, remedy: string): NixError {
  return new NixError(
    'nix-input-invalid',
    `"${printable(value)}" can not be the ${what} of a build. ${remedy}`,
  );
}
