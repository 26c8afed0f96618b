/**
 * The signer: a process of its own with its own keys and database role. It reads the records itself before
 * it signs; nobody else holds its keys.
 */
import { rmSync } from 'node:fs';
import { createLogger } from '@sluice/observability';
import { createPool, isUnavailable } from '@sluice/persistence';
import { signerSocketPath } from '@sluice/signing';
import { announceReady, onStop } from './process-end.ts';
import type { SettingsError } from './settings.ts';
import { signCommand } from './signer/command-signing.ts';
import { signHistory } from './signer/history-signing.ts';
import { openSignerKeys } from './signer/signer-keys.ts';
import { serveSigner } from './signer/signer-server.ts';
import { readSignerSettings } from './signer/signer-settings.ts';
import { signStatement } from './signer/statement-signing.ts';

/** New keys count from a little earlier: an agent whose clock is behind must not refuse the first commands. */
const CLOCK_TOLERANCE_MS = 5 * 60_000;

const log = createLogger({ service: 'signer', level: process.env['SLUICE_LOG_LEVEL'] });

try {
  const settings = readSignerSettings(process.env);
  const { command, evidence, trustRoot } = openSignerKeys(
    settings.keysDir,
    settings.trustRootFile,
    new Date(Date.now() - CLOCK_TOLERANCE_MS).toISOString(),
  );
  const pool = createPool({
    connectionString: settings.databaseUrl,
    applicationName: 'sluice-signer',
    max: 4,
    onConnectionError: (error) => log.warn({ err: error }, 'database connection lost'),
  });
  const server = await serveSigner(
    settings.socketPath,
    {
      trustRoot,
      signCommand: async (request) => {
        const answer = await signCommand(pool, command, request, trustRoot);
        const { promotionId, target, kind, sequence } = request;
        const what = { promotionId, target, kind, sequence };
        if (answer.ok) log.info(what, 'command signed');
        else log.warn({ ...what, refusal: answer.refusal }, 'command refused');
        return answer;
      },
      signStatement: async (request) => {
        const answer = await signStatement(pool, evidence, request);
        const { promotionId } = request;
        if (answer.ok) log.info({ promotionId }, 'statement signed');
        else log.warn({ promotionId, refusal: answer.refusal }, 'statement refused');
        return answer;
      },
      signHistory: async (request) => {
        const answer = await signHistory(pool, evidence, request);
        const { tenantId } = request;
        if (answer.ok) log.info({ tenantId }, 'history signed');
        else log.warn({ tenantId, refusal: answer.refusal }, 'history refused');
        return answer;
      },
    },
    (error) =>
      log.error({ err: error }, isUnavailable(error) ? 'database is away' : 'signing failed'),
  );
  log.info({ commandKey: command.keyId, evidenceKey: evidence.keyId }, 'signer ready');
  announceReady({ service: 'signer', socket: signerSocketPath(settings.socketPath) });
  onStop(log, async () => {
    await new Promise<void>((resolve) => server.close(() => resolve()));
    rmSync(signerSocketPath(settings.socketPath), { force: true });
    await pool.close();
  });
} catch (error) {
  if ((error as { code?: unknown }).code === 'settings-invalid') {
    for (const problem of (error as SettingsError).problems) process.stderr.write(`${problem}\n`);
  } else {
    log.fatal({ err: error }, 'the signer cannot start');
  }
  process.exitCode = 1;
}
