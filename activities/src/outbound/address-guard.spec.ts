import { networkInterfaces } from 'node:os';
import { expect, test } from '@jest/globals';
import { createAddressGuard } from './address-guard.ts';
import { parseHostRules } from './host-rules.ts';

const team = createAddressGuard({ loopback: false });
const configured = createAddressGuard({ loopback: true });

test.each([
  '169.254.169.254',
  '::ffff:169.254.169.254',
  '::ffff:a9fe:a9fe',
  '::a9fe:a9fe',
  '64:ff9b::a9fe:a9fe',
  '2002:a9fe:a9fe::1',
  'fe80::1',
  'fe80::1%eth0',
  'febf::1',
  'fd00:ec2::254',
  '100.100.100.200',
  '0.0.0.0',
  '::',
  '224.0.0.1',
  '255.255.255.255',
  'ff02::1',
])('%s is never asked, whoever names it and whatever a list says', (address) => {
  const rules = parseHostRules(`*,0.0.0.0/0,::/0,${address.replace(/%.*/, '')}`);
  for (const guard of [
    team,
    configured,
    createAddressGuard({ allow: rules, loopback: true }),
    createAddressGuard({ allow: rules, loopback: false }),
  ]) {
    expect(guard.findRefusal('metadata.example', [address])).toMatch(/never asked/);
    expect(guard.findRefusal('metadata.example', ['192.0.2.1', address])).toMatch(/never asked/);
  }
});

test.each(['127.0.0.1', '127.255.0.1', '::1', '::ffff:127.0.0.1', '64:ff9b::7f00:1'])(
  'the loopback address %s is asked for the configuration, and for a pipeline only where the list names it',
  (address) => {
    expect(configured.findRefusal('localhost', [address])).toBeUndefined();
    expect(team.findRefusal('localhost', [address])).toMatch(/own host/);
    const byName = createAddressGuard({ allow: parseHostRules('localhost,*'), loopback: false });
    expect(byName.findRefusal('localhost', [address])).toMatch(/own host/);
    const byAddress = createAddressGuard({ allow: parseHostRules(`${address}`), loopback: false });
    expect(byAddress.findRefusal('localhost', [address])).toBeUndefined();
  },
);

test('without a list private and public addresses are asked', () => {
  for (const address of ['10.1.2.3', '192.168.1.1', '203.0.113.9', '2001:db8::1', 'fd12::1']) {
    expect(team.findRefusal('a.example', [address])).toBeUndefined();
  }
  expect(team.findRefusal('a.example', [])).toMatch(/no address/);
});

test('with a list only what it names is asked, by name or by address', () => {
  const allow = parseHostRules('status.example, *.shop.example,10.0.0.0/8, [fd12::]/16');
  const guard = createAddressGuard({ allow, loopback: false });
  for (const [host, address] of [
    ['status.example', '203.0.113.9'],
    ['STATUS.example.', '203.0.113.9'],
    ['eu.shop.example', '203.0.113.9'],
    ['other.example', '10.9.9.9'],
    ['other.example', 'fd12::9'],
  ] as const) {
    expect(guard.findRefusal(host, [address])).toBeUndefined();
  }
  for (const host of ['shop.example', 'xshop.example', 'status.example.evil.example']) {
    expect(guard.findRefusal(host, ['203.0.113.9'])).toMatch(/SLUICE_OUTBOUND_ALLOW/);
  }
  expect(guard.findRefusal('other.example', ['10.0.0.1', '203.0.113.9'])).toMatch(/203/);
});

test('what is denied stays denied', () => {
  const deny = parseHostRules('10.0.0.0/8,vault.example');
  const guard = createAddressGuard({ allow: parseHostRules('*'), deny, loopback: false });
  expect(guard.findRefusal('a.example', ['10.0.0.1'])).toMatch(/SLUICE_OUTBOUND_DENY/);
  expect(guard.findRefusal('a.example', ['::ffff:10.0.0.1'])).toMatch(/SLUICE_OUTBOUND_DENY/);
  expect(guard.findRefusal('vault.example', ['203.0.113.9'])).toMatch(/SLUICE_OUTBOUND_DENY/);
  expect(guard.findRefusal('a.example', ['203.0.113.9'])).toBeUndefined();
  const all = createAddressGuard({ deny: parseHostRules('*'), loopback: false });
  expect(all.findRefusal('a.example', ['203.0.113.9'])).toMatch(/SLUICE_OUTBOUND_DENY/);
});

test.each([
  'http://a.example',
  '10.0.0.0/33',
  '10.0.0',
  '300.1.1.1',
  'a b',
  '10.0.0.0/8/8',
  '10.0.0.1/',
  '*a',
  '::/129',
])('an entry %s is refused', (entry) => {
  expect(() => parseHostRules(`ok.example,${entry}`)).toThrow(/write host names/);
});

test("the addresses of the interfaces are the worker's own host too, in every form", () => {
  const addresses = ['10.20.30.40', '2001:db8::7', 'fd12::7%eth0'];
  const ownAddresses = () => addresses;
  const guard = createAddressGuard({ loopback: false, ownAddresses });
  for (const address of [
    '10.20.30.40',
    '::ffff:10.20.30.40',
    '::10.20.30.40',
    '64:ff9b::a14:1e28',
    '2002:a14:1e28::1',
    '2001:db8::7',
    'fd12::7',
  ]) {
    expect(guard.findRefusal('self.example', [address])).toMatch(/own host/);
    const any = createAddressGuard({ allow: parseHostRules('*'), loopback: false, ownAddresses });
    expect(any.findRefusal('self.example', [address])).toMatch(/own host/);
    const allow = parseHostRules(address);
    const named = createAddressGuard({ allow, loopback: false, ownAddresses });
    expect(named.findRefusal('self.example', [address])).toBeUndefined();
    const own = createAddressGuard({ loopback: true, ownAddresses });
    expect(own.findRefusal('self.example', [address])).toBeUndefined();
  }
  expect(guard.findRefusal('near.example', ['10.20.30.41'])).toBeUndefined();
  addresses.push('10.20.30.41');
  expect(guard.findRefusal('near.example', ['10.20.30.41'])).toMatch(/own host/);
});

test("without being told, the machine's own interfaces are meant", () => {
  const own = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  for (const { address } of own) {
    expect(team.findRefusal('self.example', [address])).toMatch(/own host|never asked/);
  }
});
