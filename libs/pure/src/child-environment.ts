/** What any program may need to run at all, and what says nothing that is secret. */
const PLAIN =
  /^(?:PATH|HOME|TMPDIR|TZ|LANG|LC_[A-Z]+|NODE_OPTIONS|TERM|COLORTERM|NO_COLOR|FORCE_COLOR|CI)$/;

/** How git and npm are set up and reach their servers. A proxy's address can hold a password: for them alone, not for code. */
export const INSTALLER_VARIABLES =
  /^(?:GIT_CONFIG_(?:GLOBAL|SYSTEM|NOSYSTEM)|(?:https?|no)_proxy|NODE_EXTRA_CA_CERTS|SSL_CERT_(?:FILE|DIR)|npm_config_(?:registry|cache|cafile|userconfig))$/i;

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
