import { expect, test } from '@jest/globals';
import { TASK_QUEUES } from '@sluice/temporal-contract';
import { SettingsReader } from './settings.ts';
import { readStepSettings } from './worker-settings-steps.ts';

function read(environment: Readonly<Record<string, string>>) {
  const reader = new SettingsReader(environment);
  const settings = readStepSettings(reader);
  reader.assertValid();
  return settings;
}

test('what is absent has a meaning', () => {
  expect(read({ SLUICE_WORKER_QUEUES: '', SLUICE_SECRETS_DIR: '' })).toEqual({
    queues: null,
    secretsDir: null,
    notifyChannels: null,
    analysisProviders: null,
    outboundAllow: undefined,
    outboundDeny: undefined,
    bubblewrap: null,
    sandboxPaths: [],
    scriptNetwork: 'none',
    scriptUser: null,
    shown: [],
    scriptsAtOnce: 4,
    buildsAtOnce: 2,
    nix: null,
    nixSandbox: 'on',
    nixStore: null,
    nixScratch: null,
    nixMemoryMiB: null,
    nixCpus: null,
    nixProcesses: null,
    nixKeepBuilds: 20,
    nixKeepDays: 30,
    nixCollectHours: 24,
  });
});

test('queues go by the word of their capability', () => {
  expect(read({ SLUICE_WORKER_QUEUES: 'script, build,script' }).queues).toEqual([
    TASK_QUEUES.script,
    TASK_QUEUES.build,
  ]);
});

test('limits of builds are numbers', () => {
  const limits = { SLUICE_NIX_MEMORY_MIB: '2048', SLUICE_NIX_CPUS: '1.5' };
  expect(read(limits)).toMatchObject({ nixMemoryMiB: 2048, nixCpus: 1.5, nixProcesses: null });
});

test('hosts and folders are lists', () => {
  const { outboundAllow, outboundDeny, sandboxPaths } = read({
    SLUICE_OUTBOUND_ALLOW: '*,127.0.0.0/8',
    SLUICE_OUTBOUND_DENY: 'vault.example',
    SLUICE_SANDBOX_PATHS: '/opt/tools:/opt/more',
  });
  expect(outboundAllow?.any).toBe(true);
  expect(outboundAllow?.addresses.check('127.0.0.1')).toBe(true);
  expect(outboundDeny?.names.has('vault.example')).toBe(true);
  expect(sandboxPaths).toEqual(['/opt/tools', '/opt/more']);
});

test.each([
  ['SLUICE_WORKER_QUEUES', 'scan,scripts', 'names "scripts": write some of control, scan'],
  ['SLUICE_SECRETS_DIR', 'secrets', 'is no absolute path'],
  ['SLUICE_NOTIFY_CHANNELS', './channels.yaml', 'is no absolute path'],
  ['SLUICE_OUTBOUND_ALLOW', 'https://a.example', 'SLUICE_OUTBOUND_ALLOW names "https://a.example"'],
  ['SLUICE_OUTBOUND_DENY', '10.0.0.0/99', 'SLUICE_OUTBOUND_DENY names "10.0.0.0/99"'],
  ['SLUICE_SANDBOX_PATHS', '/opt/tools:more', 'has a path that is not absolute'],
  ['SLUICE_NIX_STORE', 'store', 'is no absolute path'],
  ['SLUICE_NIX_SANDBOX', 'false', 'SLUICE_NIX_SANDBOX is "false": write on or off.'],
  ['SLUICE_SCRIPT_USER', 'root', 'SLUICE_SCRIPT_USER is "root": write other, or'],
  ['SLUICE_SCRIPTS_AT_ONCE', '0', 'write a whole number from 1 to 256'],
  ['SLUICE_BUILDS_AT_ONCE', 'two', 'write a whole number from 1 to 64'],
  ['SLUICE_NIX_MEMORY_MIB', '1', 'write a whole number from 64 to'],
  ['SLUICE_NIX_CPUS', '1e3', 'write a number from 0.1 to 1024'],
  ['SLUICE_NIX_KEEP_BUILDS', '-1', 'write a whole number from 0 to 10000'],
  ['SLUICE_SCRIPT_NETWORK', 'host', 'SLUICE_SCRIPT_NETWORK is "host": write none or all.'],
])('%s=%s is refused in one line', (name, value, advice) => {
  expect(() => read({ [name]: value })).toThrow(
    expect.objectContaining({ problems: [expect.stringContaining(advice)] }),
  );
});
