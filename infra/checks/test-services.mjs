import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** @typedef {ReturnType<typeof createServices>} Services what a run started */

/** Starts an embedded Postgres whose data are thrown away; gives the superuser's URL. */
export async function startPostgres(services) {
  const { startEmbeddedPostgres } = await import('@sluice/infra');
  const server = await startEmbeddedPostgres({
    dataDir: join(services.folder(), 'postgres'),
    // Data that are thrown away need not survive a crash of the machine.
    settings: { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' },
  });
  services.add({ stop: () => server.stop(), pid: server.pid });
  return server.superuserUrl;
}

/** Starts a Temporal dev server in memory, with Sluice's settings; gives its host:port. */
export async function startTemporal(services) {
  const { getTool } = await import('@sluice/infra');
  const { startDevServer } = await import('@sluice/temporal-server');
  const server = await startDevServer({
    executable: (await getTool('temporal')).path,
    logFile: join(services.folder(), 'temporal.log'),
    uiPort: false,
  });
  services.add({ stop: () => server.stop(), pid: server.pid });
  return server.address;
}

/**
 * Keeps what a run starts, and ends it. A guard, a process of its own, ends the services by their process ids when
 * this one is gone without having done so (Ctrl-C, SIGKILL): it sees its standard input close.
 */
export function createServices() {
  const started = [];
  let folder;
  let guard;
  return {
    folder() {
      if (folder === undefined) {
        folder = mkdtempSync(join(tmpdir(), 'sluice-test-services-'));
        // As root, Postgres runs as a user of its own, who must be able to enter.
        chmodSync(folder, 0o711);
      }
      return folder;
    },
    add(service) {
      started.push(service);
      guard ??= startGuard(this.folder());
      if (service.pid) guard.stdin.write(`${service.pid}\n`);
    },
    async stop() {
      await Promise.allSettled(started.splice(0).map((service) => service.stop()));
      if (folder) rmSync(folder, { recursive: true, force: true });
      if (guard) {
        guard.ref(); // Else Node ends here, in the midst of Jest's teardown.
        guard.stdin.end('done\n');
        await once(guard, 'close');
      }
    },
  };
}

function startGuard(folder) {
  const program = fileURLToPath(new URL('./end-services.mjs', import.meta.url));
  const guard = spawn(process.execPath, [program, folder], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  guard.stdin.on('error', () => {}); // The guard may be gone first; then there is nothing to tell.
  guard.unref();
  guard.stdin.unref?.();
  return guard;
}
