import { fileURLToPath } from 'node:url';
import { isEntry } from '../build/workspaces.mjs';
import { runCommand } from './run-command.mjs';
import { createServices, startPostgres } from './test-services.mjs';

/**
 * Compares `migrations/schema.sql` with what the migrations make in an embedded Postgres. It runs
 * in a process of its own, so that whoever ends that ends its Postgres too.
 */
export async function checkSchemaDump() {
  return runCommand(['node', fileURLToPath(import.meta.url)], { timeoutMs: 180_000 });
}

if (isEntry(import.meta.url)) {
  const services = createServices();
  try {
    const persistence = await import('@sluice/persistence');
    const { ok, diff } = await persistence.checkSchemaDump(await startPostgres(services));
    if (!ok) console.log(diff);
    process.exitCode = ok ? 0 : 1;
  } finally {
    await services.stop();
  }
}
