import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { SettingsReader } from './settings.ts';
import { listShownPaths, readSandboxPaths, readScriptUser } from './worker-settings-sandbox.ts';

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

test.each([
  '/usr/local/etc/sluice/secrets',
  '/usr/share/../lib/sluice',
  '/lib/sluice',
  '/etc/ssl/certs/sluice',
  '/nix/store/0-keys',
])("what is the worker's own does not lie in %s, where scripts see it", (path) => {
  const shown = listShownPaths([...OWN, { variable: 'SLUICE_SIGNER_KEYS', path }]);
  expect(shown).toEqual([
    expect.stringMatching(/^SLUICE_SIGNER_KEYS names .* scripts see that: move it/),
  ]);
});

test('nor is it a link that leads there; elsewhere it may lie', () => {
  symlinkSync('/usr/share', join(folder, 'keys'));
  const keys = (name: string) => [{ variable: 'SLUICE_SIGNER_KEYS', path: join(folder, name) }];
  expect(listShownPaths([...OWN, ...keys('own')])).toEqual([]);
  expect(listShownPaths(keys('keys'))).toEqual([expect.stringContaining('lies in /usr')]);
});

test('a user of scripts is never root', () => {
  const user = (text?: string) => {
    const reader = new SettingsReader({ SLUICE_SCRIPT_USER: text });
    const found = readScriptUser(reader);
    reader.assertValid();
    return found;
  };
  expect([user(), user('other'), user('2000:2001')]).toEqual([
    null,
    'other',
    { uid: 2000, gid: 2001 },
  ]);
  for (const wrong of ['0:0', '0:5', '5:0', 'nobody', '1', '4294967295:1', '-1:1']) {
    expect(() => user(wrong)).toThrow('write other, or the numbers');
  }
});
