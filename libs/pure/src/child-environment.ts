/** What any program may need to run at all, and what says nothing that is secret. */
const PLAIN =
  /^(?:PATH|HOME|TMPDIR|TZ|LANG|LC_[A-Z]+|NODE_OPTIONS|TERM|COLORTERM|NO_COLOR|FORCE_COLOR|CI|SLUICE_PARENT_ANSWERS)$/;

/**
 * The environment of a program that runs code which may be a stranger's: an allow-list, so that tokens and credentials of any
 * service stay with the one who starts it.
 * @param also names that this program needs beside the plain ones
 */
export function childEnvironment(
  env: Readonly<Record<string, string | undefined>>,
  also?: RegExp,
): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined) continue;
    if (PLAIN.test(name) || also?.test(name) === true) kept[name] = value;
  }
  return kept;
}
