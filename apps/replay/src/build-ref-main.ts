import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { buildRef } from './build-ref.ts';

/**
 * Builds the workflow code of a git ref:
 *
 *   node apps/replay/dist/build-ref-main.js --ref REF --to FOLDER
 *
 * Prints one JSON line, {ref, commit, bundle, buildId, digest}; progress goes to standard error. Status 2 when it could
 * not be built, with the reason as {error: {code, message}}.
 */
async function main(): Promise<number> {
  const { values } = parseArgs({ options: { ref: { type: 'string' }, to: { type: 'string' } } });
  const { ref, to } = values;
  if (ref === undefined || to === undefined) {
    throw Object.assign(new Error('Name --ref and --to.'), { code: 'usage' });
  }
  const interruption = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => interruption.abort());
  }
  const built = await buildRef({
    // Both src and dist stand two folders below the package's parent, three below the root.
    checkout: fileURLToPath(new URL('../../..', import.meta.url)),
    ref,
    to,
    signal: interruption.signal,
    log: (line) => process.stderr.write(`${line}\n`),
  });
  process.stdout.write(`${JSON.stringify(built)}\n`);
  return 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  const { code = 'internal', message } = error as { code?: string; message: string };
  process.stdout.write(`${JSON.stringify({ error: { code, message } })}\n`);
  process.exitCode = 2;
}
