import { BlockList, isIP } from 'node:net';

/** Hosts and addresses as a setting names them. */
export interface HostRules {
  /** `*` was named. */
  readonly any: boolean;
  /** Lower case. */
  readonly names: ReadonlySet<string>;
  /** Of `*.example`: `.example`. */
  readonly suffixes: readonly string[];
  readonly addresses: BlockList;
}

/** Entries of one list. */
const MAX_ENTRIES = 1000;

const HOST_NAME = /^(?:\*\.)?[a-z0-9_](?:[a-z0-9_.-]{0,251}[a-z0-9_])?$/;

/**
 * Reads a list such as `*.example, status.example, 10.0.0.0/8, fd00::/8, 127.0.0.1`.
 * @throws TypeError that names the first entry that is none of these
 */
export function parseHostRules(text: string): HostRules {
  const entries = text.split(',').map((entry) => entry.trim().toLowerCase());
  if (entries.length > MAX_ENTRIES) {
    throw new TypeError(`has ${entries.length} entries: write at most ${MAX_ENTRIES}`);
  }
  const names = new Set<string>();
  const suffixes: string[] = [];
  const addresses = new BlockList();
  let any = false;
  for (const entry of entries.filter((one) => one !== '')) {
    if (entry === '*') any = true;
    else if (addRange(addresses, entry)) continue;
    else if (!HOST_NAME.test(entry) || /^[\d.]+$/.test(entry)) throw new TypeError(faultOf(entry));
    else if (entry.startsWith('*.')) suffixes.push(entry.slice(1));
    else names.add(entry);
  }
  return { any, names, suffixes, addresses };
}

function faultOf(entry: string): string {
  return (
    `names "${entry.slice(0, 100)}": write host names (status.example, *.example), addresses ` +
    '(10.1.2.3) or ranges (10.0.0.0/8) with commas between them'
  );
}

function addRange(addresses: BlockList, entry: string): boolean {
  const [written = '', length, more] = entry.split('/');
  const address = written.replace(/^\[(.*)\]$/, '$1');
  const family = isIP(address);
  if (family === 0 || more !== undefined) return false;
  const bits = family === 4 ? 32 : 128;
  const prefix = length === undefined ? bits : Number(length);
  if (!/^\d{1,3}$/.test(length ?? '0') || prefix > bits) return false;
  addresses.addSubnet(address, prefix, family === 4 ? 'ipv4' : 'ipv6');
  return true;
}

/** True when a host's name stands in a list. */
export function namesHost(rules: HostRules, host: string): boolean {
  const name = host.toLowerCase().replace(/\.$/, '');
  return rules.names.has(name) || rules.suffixes.some((suffix) => name.endsWith(suffix));
}

/** True when an address lies in a list of ranges; an IPv4 address inside of an IPv6 one counts as itself. */
export function holdsAddress(ranges: BlockList, address: string): boolean {
  const [bare = ''] = address.split('%');
  return ranges.check(bare, isIP(bare) === 6 ? 'ipv6' : 'ipv4');
}
