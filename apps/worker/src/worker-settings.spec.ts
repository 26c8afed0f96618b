import { expect, test } from '@jest/globals';
import { readSignerSettings } from './signer/signer-settings.ts';
import { readWorkerSettings } from './worker-settings.ts';

const complete = {
  SLUICE_DATABASE_URL: 'postgres://sluice_worker:secret@127.0.0.1:5432/sluice',
  SLUICE_TEMPORAL_ADDRESS: '127.0.0.1:7233',
  SLUICE_EVIDENCE_DIR: '/data/evidence',
  SLUICE_CODEC_KEYS: '/data/keys/codec.json',
  SLUICE_SIGNER_SOCKET: '/data/run/signer.sock',
};

test('what may be absent has a meaning', () => {
  expect(readWorkerSettings(complete)).toMatchObject({
    relayDatabaseUrl: 'postgres://sluice_relay:secret@127.0.0.1:5432/sluice',
    linkerDatabaseUrl: 'postgres://sluice_linker:secret@127.0.0.1:5432/sluice',
    watchdogDatabaseUrl: 'postgres://sluice_watchdog:secret@127.0.0.1:5432/sluice',
    watchdogSeconds: 15,
    reconcileSeconds: 60,
    supersedeGraceSeconds: 10,
    temporalNamespace: 'sluice',
    trivy: 'trivy',
    port: null,
    workerDeployment: null,
    workflowBundle: null,
  });
  const named = readWorkerSettings({
    ...complete,
    SLUICE_WORKER_PORT: '0',
    SLUICE_WORKER_DEPLOYMENT: 'sluice',
  });
  expect(named).toMatchObject({ port: 0, workerDeployment: 'sluice' });
});

test('every problem is one line', () => {
  const wrong = { ...complete, SLUICE_DATABASE_URL: 'nonsense', SLUICE_WORKER_PORT: '70000' };
  expect(() => readWorkerSettings({ ...wrong, SLUICE_CODEC_KEYS: '' })).toThrow(
    expect.objectContaining({
      code: 'settings-invalid',
      problems: expect.arrayContaining([
        expect.stringContaining('SLUICE_CODEC_KEYS is not set'),
        expect.stringContaining('SLUICE_WORKER_PORT is "70000"'),
        expect.stringContaining('SLUICE_DATABASE_URL is no URL'),
      ]),
    }),
  );
  expect(() => readSignerSettings({})).toThrow(/SLUICE_SIGNER_KEYS[^]*SLUICE_TRUST_ROOT/);
});

test.each([
  ['SLUICE_WATCHDOG_SECONDS', '0', 'write a whole number from 1 to 3600'],
  ['SLUICE_RECONCILE_SECONDS', '0', 'write a whole number from 1 to 3600'],
  ['SLUICE_SUPERSEDE_GRACE_SECONDS', '1.5', 'write a whole number from 1 to 3600'],
  ['SLUICE_WATCHDOG_DATABASE_URL', 'nonsense', 'postgres://sluice_watchdog:password@'],
  ['SLUICE_WORKER_DEPLOYMENT', 'a.b', 'up to 100 letters, digits, - and _'],
  ['OTEL_EXPORTER_OTLP_ENDPOINT', '127.0.0.1:4318', 'write http://host:4318'],
])('%s=%s is refused in one line', (name, value, advice) => {
  expect(() => readWorkerSettings({ ...complete, [name]: value })).toThrow(
    expect.objectContaining({ problems: [expect.stringContaining(advice)] }),
  );
});
