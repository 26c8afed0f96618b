import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { PREDICATE_TYPES } from '@sluice/domain';
import { verifyEnrolmentToken } from '@sluice/pure';
import {
  composeStatement,
  createTrustRoot,
  generateKeyPair,
  packetText,
  sealPacket,
} from '@sluice/signing';
import { fakeIo } from './fake-io.ts';
import { runCli } from './run-cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice offline '));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const pair = generateKeyPair();
const context = {
  promotionId: 'dev/1',
  release: { name: 'shop', version: '1.0.0', digest: `sha256:${'ab'.repeat(32)}` },
};
const packet = packetText(
  sealPacket(
    context,
    { state: 'succeeded', reason: null, endedAt: '2026-11-21T12:00:00Z' },
    [composeStatement(PREDICATE_TYPES.decision, context, { decision: 'allow' })],
    pair,
  ),
);
const trustRoot = createTrustRoot([
  { publicKey: pair.publicKey, use: 'evidence', notBefore: '2026-01-01T00:00:00Z' },
]);

function file(name: string, content: string, mode = 0o644): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  chmodSync(path, mode);
  return path;
}

const trustRootFile = file('trust-root.json', JSON.stringify(trustRoot));

test('a packet verifies without address, token or network', async () => {
  const io = fakeIo({}, {});
  const path = file('packet.json', packet);
  expect(await runCli(['verify', path, '--trust-root', trustRootFile], io)).toBe(0);
  expect(io.outText()).toContain('VERIFIED');
  expect(io.outText()).toContain('dev/1: succeeded');
  expect(io.asked).toEqual([]);
});

test('one changed byte is status 4 and names the statement', async () => {
  const at = packet.lastIndexOf('"sig":"') + 20;
  const changed = packet.slice(0, at) + (packet[at] === 'A' ? 'B' : 'A') + packet.slice(at + 1);
  const path = file('changed.json', changed);
  const io = fakeIo({}, {});
  expect(await runCli(['verify', path, '--trust-root', trustRootFile], io)).toBe(4);
  expect(io.outText()).toContain(`statements[0] (${PREDICATE_TYPES.decision}): signature-invalid`);
  const json = fakeIo({}, {});
  expect(await runCli(['verify', path, '--trust-root', trustRootFile, '--json'], json)).toBe(4);
  expect(JSON.parse(json.outText())).toMatchObject({ ok: false, promotion: null });
});

test('a changed statement is named in a reformatted packet too', async () => {
  const value = JSON.parse(packet);
  const payload = Buffer.from(value.statements[0].payload, 'base64').toString();
  value.statements[0].payload = Buffer.from(payload.replace('allow', 'bllow')).toString('base64');
  const path = file('reformatted.json', JSON.stringify(value, null, 2));
  const io = fakeIo({}, {});
  expect(await runCli(['verify', path, '--trust-root', trustRootFile], io)).toBe(4);
  expect(io.outText()).toContain('packet: packet-not-canonical');
  expect(io.outText()).toContain(`statements[0] (${PREDICATE_TYPES.decision}): signature-invalid`);
});

test('a packet comes through a pipe, and may end in a line break', async () => {
  const source = file('broken-line.json', `${packet}\n`);
  const pipe = join(folder, 'pipe');
  execFileSync('mkfifo', [pipe]);
  const writer = spawn('sh', ['-c', 'cat "$1" > "$2"', 'sh', source, pipe]);
  const io = fakeIo({}, {});
  expect(await runCli(['verify', pipe, '--trust-root', trustRootFile], io)).toBe(0);
  await once(writer, 'close');
});

test.each([
  ['an endless device', '/dev/zero', 'file-unreadable'],
  ['a folder', folder, 'file-unreadable'],
  [
    'a trust root that is too long',
    file('long.json', ' '.repeat(1024 * 1024 + 1)),
    'file-too-large',
  ],
])('%s is a usage error, and is not read to its end', async (_, path, code) => {
  const commands = [
    ['verify', trustRootFile, '--trust-root', path],
    ['agent', 'enroll-token', '--target', 'dev-1', '--config', path],
  ];
  for (const args of commands) {
    const io = fakeIo({}, {});
    expect(await runCli([...args, '--json'], io)).toBe(2);
    expect(JSON.parse(io.outText()).error.code).toBe(code);
  }
});

test('a trust root that is none is a wrong file, not a verdict', async () => {
  const path = file('packet.json', packet);
  const io = fakeIo({}, {});
  const root = file('root.json', '{}');
  expect(await runCli(['verify', path, '--trust-root', root], io)).toBe(2);
});

const key = Buffer.alloc(32, 7);
const keyFile = file('enrolment.key', `${key.toString('base64')}\n`, 0o600);
const config = file(
  'sluice.config.yaml',
  'tenant: default\nenrolment:\n  keyFile: enrolment.key\ntargets:\n  - name: dev-1\nrouters:\n  - name: dev-proxy\n',
);

test('a token is minted from what the configuration names, and the API takes it', async () => {
  const io = fakeIo({}, {});
  const args = ['agent', 'enroll-token', '--target', 'dev-1', '--config', config, '--ttl', '30m'];
  expect(await runCli(args, io)).toBe(0);
  const outcome = verifyEnrolmentToken(io.outText().trim(), new Uint8Array(key), io.now());
  expect(outcome).toMatchObject({
    ok: true,
    value: { tenantId: 'default', target: 'dev-1', expiresAt: '2026-11-21T12:30:00.000Z' },
  });
});

test('a router is enrolled like a target', async () => {
  const io = fakeIo({}, {});
  const args = ['agent', 'enroll-token', '--target', 'dev-proxy', '--config', config, '--json'];
  expect(await runCli(args, io)).toBe(0);
  expect(JSON.parse(io.outText())).toMatchObject({ target: 'dev-proxy' });
});

test('a key and a tenant do without a configuration', async () => {
  const io = fakeIo({}, { SLUICE_ENROLLMENT_KEY: keyFile });
  const args = ['agent', 'enroll-token', '--target', 'x', '--tenant', 'acme', '--json'];
  expect(await runCli(args, io)).toBe(0);
  expect(JSON.parse(io.outText())).toMatchObject({ tenant: 'acme', target: 'x' });
  expect(io.errText().replace(/\s+/g, ' ')).toContain('not checked against a configuration');
});

test.each([
  ['an unknown target', ['--target', 'dev-2', '--config', config], 'target-unknown'],
  [
    "a tenant that is not the configuration's",
    ['--target', 'dev-1', '--tenant', 'acme', '--config', config],
    'tenant-differs',
  ],
  ['no tenant', ['--target', 'dev-1', '--key', keyFile], 'tenant-missing'],
  ['no key', ['--target', 'dev-1', '--tenant', 'a'], 'enrolment-key-missing'],
  ['a bad name', ['--target', '../x', '--tenant', 'a', '--key', keyFile], 'name-invalid'],
  [
    'a bad time',
    ['--target', 'a', '--tenant', 'a', '--key', keyFile, '--ttl', '31d'],
    'option-invalid',
  ],
  [
    'a key that others may read',
    ['--target', 'a', '--tenant', 'a', '--key', file('open.key', 'x', 0o644)],
    'enrolment-key-unusable',
  ],
  [
    'a key that is none',
    ['--target', 'a', '--tenant', 'a', '--key', file('short.key', 'eA==', 0o600)],
    'enrolment-key-unusable',
  ],
  ['no configuration', ['--target', 'a', '--config', '/nowhere'], 'file-unreadable'],
])('%s is a usage error', async (_, args, code) => {
  const io = fakeIo({}, {});
  expect(await runCli(['agent', 'enroll-token', ...args, '--json'], io)).toBe(2);
  expect(JSON.parse(io.outText()).error.code).toBe(code);
});

test('a YAML error ends in one full stop', async () => {
  const io = fakeIo({}, {});
  const broken = file('broken.yaml', 'tenant: default\n  targets: [\n');
  expect(await runCli(['agent', 'enroll-token', '--target', 'a', '--config', broken], io)).toBe(2);
  expect(io.errText().replace(/\s+/g, ' ')).toMatch(/column \d+\. Correct it\./);
});

test('no error ever shows the key', async () => {
  const io = fakeIo({}, {});
  const path = file('wrong.key', 'c2VjcmV0LXNlY3JldA==', 0o600);
  await runCli(['agent', 'enroll-token', '--target', 'a', '--tenant', 'a', '--key', path], io);
  expect(io.errText() + io.outText()).not.toContain(readFileSync(path, 'utf8'));
});
