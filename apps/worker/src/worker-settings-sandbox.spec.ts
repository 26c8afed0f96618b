import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { SettingsReader } from './settings.ts';
import { readSandboxPaths } from './worker-settings-sandbox.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-sandbox-paths-'));
afterAll(() => rmSync(folder, { recursive: true }));

const OWN = [
  { variable: 'SLUICE_SECRETS_DIR', path: '/srv/sluice/secrets' },
  { variable: 'SLUICE_CODEC_KEYS', path: '/opt/sluice/keys/codec.json' },
];

function read(paths: string): readonly string[] {
  const reader = new SettingsReader({ SLUICE_SANDBOX_PATHS: paths });
  const read = readSandboxPaths(reader, OWN);
  reader.assertValid();
  return read;
}

test.each([
  '/opt/tools:/srv/tools',
  '/usr/local/lib/node',
  '/home/ci/work/shop/node_modules',
  '/var/lib/tools',
  '/nix/store',
  '/srv/sluice/tools',
  '/opt/sluice/keys-of-nobody',
])('%s may be shown', (paths) => {
  expect(read(paths)).toEqual(paths.split(':'));
});

test.each([
  ['/', 'all of this machine'],
  ['/opt/..', 'all of this machine'],
  ['//', 'all of this machine'],
  ['/proc', 'must not see /proc'],
  ['/proc/1/root', 'must not see /proc'],
  ['/run/secrets', 'must not see /run'],
  ['/var/run/docker.sock', 'must not see /'],
  ['/sys', 'must not see /sys'],
  ['/dev/shm', 'must not see /dev'],
  ['/etc', 'must not see /etc'],
  ['/etc/ssh/', 'must not see /etc'],
  ['/root/tools', 'must not see /root'],
  ['/sandbox/work', 'must not see /sandbox'],
  ['/var', 'must not see /'],
  ['/var/lib', '/var/lib holds'],
  ['/opt/', '/opt holds'],
  ['/home', '/home holds'],
  ['/home/anna', "somebody's home"],
  ['/home/anna/.ssh', 'signs in with'],
  ['/home/anna/x/../.aws/cli', 'signs in with'],
  [homedir(), 'scripts'],
  ['/srv/sluice', 'SLUICE_SECRETS_DIR'],
  ['/srv/sluice/secrets', 'SLUICE_SECRETS_DIR'],
  ['/srv/sluice/secrets/acme', 'SLUICE_SECRETS_DIR'],
  ['/opt/sluice', 'SLUICE_CODEC_KEYS'],
  ['/opt/sluice/keys', 'SLUICE_CODEC_KEYS'],
])('%s is refused in one line', (path, why) => {
  const problem = expect.stringContaining(why);
  expect(() => read(`/opt/tools:${path}`)).toThrow(
    expect.objectContaining({ problems: [problem] }),
  );
});

test('a link is where it leads', () => {
  mkdirSync(join(folder, 'tools'));
  symlinkSync('/etc', join(folder, 'link'));
  expect(read(join(folder, 'tools'))).toHaveLength(1);
  expect(() => read(join(folder, 'link'))).toThrow('must not see /etc');
});
