import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';

const started = process.env['SLUICE_TEST_SERVICES'] === 'none' ? test.skip : test;

describe('the services of a run', () => {
  // Skipped only when somebody asks for a run without services; `npm test` never does.
  started('Postgres and Temporal answer at the addresses in the environment', async () => {
    const postgres = new URL(process.env['SLUICE_TEST_POSTGRES_URL'] ?? '');
    await untilConnected(Number(postgres.port), postgres.hostname);
    const [host, port] = (process.env['SLUICE_TEST_TEMPORAL_ADDRESS'] ?? '').split(':');
    await untilConnected(Number(port), host);
  });
});

describe('the guard', () => {
  test('ends the services and removes their folder when its run is gone', async () => {
    const { service, guard, folder } = startGuarded();
    guard.stdin.end(`${service.pid}\n`);
    const [, signal] = await once(service, 'close');
    expect(signal).toBe('SIGINT');
    await once(guard, 'close');
    expect(existsSync(folder)).toBe(false);
  });

  test('leaves everything alone after an orderly end', async () => {
    const { service, guard, folder } = startGuarded();
    guard.stdin.end(`${service.pid}\ndone\n`);
    await once(guard, 'close');
    expect(service.exitCode).toBeNull();
    expect(existsSync(folder)).toBe(true);
    rmSync(folder, { recursive: true });
    service.kill('SIGKILL');
    await once(service, 'close');
  });
});

function startGuarded() {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-guard-'));
  const service = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
  const program = fileURLToPath(new URL('../../infra/checks/end-services.mjs', import.meta.url));
  const guard = spawn(process.execPath, [program, folder], {
    stdio: ['pipe', 'ignore', 'inherit'],
  });
  return { service, guard, folder };
}

async function untilConnected(port: number, host: string | undefined): Promise<void> {
  const socket = connect(port, host ?? '127.0.0.1');
  try {
    await once(socket, 'connect');
  } finally {
    socket.destroy();
  }
}
