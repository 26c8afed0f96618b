import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { readAgentSettings } from './agent-settings.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-settings-'));
});

afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

const good = {
  SLUICE_AGENT_CONTROL_PLANE: 'http://127.0.0.1:8080',
  SLUICE_AGENT_STATE_DIR: '/var/lib/sluice-agent',
};

test('the environment is enough, and wins over the file', async () => {
  const config = join(folder, 'agent.json');
  await writeFile(config, JSON.stringify({ stateDir: '/elsewhere', stopService: true }));
  const outcome = readAgentSettings({ ...good, SLUICE_AGENT_CONFIG: config });
  expect(outcome).toMatchObject({
    ok: true,
    settings: {
      stateDir: '/var/lib/sluice-agent',
      stopService: true,
      pollSeconds: 25,
      keepReleases: 3,
    },
  });
});

test.each(['1', '50'])('the artifacts of %s releases may be kept', (text) => {
  const outcome = readAgentSettings({ ...good, SLUICE_AGENT_KEEP_RELEASES: text });
  expect(outcome).toMatchObject({ ok: true, settings: { keepReleases: Number(text) } });
});

test('the token may stand in a file, which may be gone once the agent is enrolled', async () => {
  const token = join(folder, 'token');
  const env = { ...good, SLUICE_AGENT_TOKEN_FILE: token };
  expect(readAgentSettings(env)).toMatchObject({ ok: true, settings: { token: undefined } });
  await writeFile(token, 'abc.def\n');
  expect(readAgentSettings(env)).toMatchObject({ ok: true, settings: { token: 'abc.def' } });
});

test.each<[string, NodeJS.ProcessEnv, string]>([
  ['no control plane', { SLUICE_AGENT_CONTROL_PLANE: '' }, 'SLUICE_AGENT_CONTROL_PLANE'],
  ['another protocol', { SLUICE_AGENT_CONTROL_PLANE: 'ftp://x' }, 'SLUICE_AGENT_CONTROL_PLANE'],
  ['a relative folder', { SLUICE_AGENT_STATE_DIR: 'state' }, 'SLUICE_AGENT_STATE_DIR'],
  ['a long poll over its bound', { SLUICE_AGENT_POLL_SECONDS: '60' }, 'SLUICE_AGENT_POLL_SECONDS'],
  ...['0', '51', '-1', '2.5', 'all', ' '].map((text): [string, NodeJS.ProcessEnv, string] => [
    `"${text}" kept releases`,
    { SLUICE_AGENT_KEEP_RELEASES: text },
    'SLUICE_AGENT_KEEP_RELEASES',
  ]),
  ...['store', '/has space', '/nix/store/'].map((text): [string, NodeJS.ProcessEnv, string] => [
    `"${text}" for store paths`,
    { SLUICE_AGENT_NIX_STORE: text },
    'SLUICE_AGENT_NIX_STORE',
  ]),
  ['a receiver of spans that is no URL', { OTEL_EXPORTER_OTLP_ENDPOINT: 'x' }, 'OTEL_'],
  ['a fault point', { SLUICE_AGENT_PAUSE_AT: 'accepted' }, 'SLUICE_AGENT_PAUSE_AT'],
  ['a missing file', { SLUICE_AGENT_CONFIG: '/no/such/file' }, 'SLUICE_AGENT_CONFIG'],
])('%s is one clear line', (_, env, name) => {
  const outcome = readAgentSettings({ ...good, ...env });
  expect(outcome).toEqual({ ok: false, problems: [expect.stringContaining(name)] });
});
