import { BlockList, isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { type HostRules, holdsAddress, namesHost, parseHostRules } from './host-rules.ts';

/** Says which hosts may be asked. */
export interface AddressGuard {
  /**
   * Why a host may not be asked at these addresses, or undefined. One wrong address among several is enough: a name that also leads
   * elsewhere is none to be trusted.
   */
  findRefusal(host: string, addresses: readonly string[]): string | undefined;
}

/** What a guard goes by. */
export interface GuardOptions {
  /** Only these; all when absent. */
  readonly allow?: HostRules | undefined;
  /** None of these, whatever else is said. */
  readonly deny?: HostRules | undefined;
  /** True where the worker's own host, loopback and the addresses of its interfaces, needs no mention in `allow`. */
  readonly loopback: boolean;
  /** The addresses of this machine's interfaces, as they are now; the system's when absent. */
  readonly ownAddresses?: () => readonly string[];
}

/**
 * Never asked, whatever a setting says: link-local addresses, at which clouds give out a machine's credentials, the same services'
 * addresses elsewhere, multicast, reserved and unspecified addresses; and IPv6 forms that carry them.
 */
const NEVER = parseHostRules(
  [
    '0.0.0.0/8',
    '169.254.0.0/16',
    '224.0.0.0/4',
    '240.0.0.0/4',
    '100.100.100.200',
    '168.63.129.16',
    '192.0.0.192',
    '::/128',
    'fe80::/10',
    'fec0::/10',
    'ff00::/8',
    'fd00:ec2::254',
    'fd20:ce::254',
    '::a9fe:0/112',
    '64:ff9b::a9fe:0/112',
    '64:ff9b:1::/48',
    '2002:a9fe::/32',
  ].join(','),
).addresses;

const LOOPBACK: BlockList = parseHostRules(
  '127.0.0.0/8,::1/128,::7f00:0/104,64:ff9b::7f00:0/104,2002:7f00::/24',
).addresses;

function readOwnAddresses(): readonly string[] {
  return Object.values(networkInterfaces()).flatMap((each) =>
    (each ?? []).map(({ address }) => address),
  );
}

/** Read for each question: addresses come and go while a worker runs. */
function listOwn(addresses: readonly string[]): BlockList {
  const own = new BlockList();
  for (const address of addresses) {
    const [bare = ''] = address.split('%');
    const family = isIP(bare);
    if (family === 0) continue;
    own.addAddress(bare, family === 4 ? 'ipv4' : 'ipv6');
    if (family !== 4) continue;
    // IPv6 forms that a translator on the way leads back here.
    own.addAddress(`::${bare}`, 'ipv6');
    own.addAddress(`64:ff9b::${bare}`, 'ipv6');
    own.addSubnet(sixToFour(bare), 48, 'ipv6');
  }
  return own;
}

/** The 6to4 network of an IPv4 address. */
function sixToFour(address: string): string {
  const [a = 0, b = 0, c = 0, d = 0] = address.split('.').map(Number);
  return `2002:${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}::`;
}

/** Builds a guard. */
export function createAddressGuard({
  allow,
  deny,
  loopback,
  ownAddresses = readOwnAddresses,
}: GuardOptions): AddressGuard {
  const isOwn = (address: string): boolean =>
    holdsAddress(LOOPBACK, address) || holdsAddress(listOwn(ownAddresses()), address);
  const refusalOf = (host: string, address: string): string | undefined => {
    if (holdsAddress(NEVER, address)) {
      return `${address} is a link-local, reserved or multicast address, which is never asked`;
    }
    if (deny !== undefined && (deny.any || holdsAddress(deny.addresses, address))) {
      return `${address} stands in SLUICE_OUTBOUND_DENY`;
    }
    // A name cannot allow it: whoever serves the name could point it here.
    const isNamed = allow !== undefined && holdsAddress(allow.addresses, address);
    if (!loopback && !isNamed && isOwn(address)) {
      return `${address} is the worker's own host: SLUICE_OUTBOUND_ALLOW would have to name the address`;
    }
    if (allow === undefined || allow.any || isNamed || namesHost(allow, host)) return undefined;
    return `neither the host nor ${address} stands in SLUICE_OUTBOUND_ALLOW`;
  };
  return {
    findRefusal(host, addresses) {
      if (deny !== undefined && namesHost(deny, host)) {
        return 'the host stands in SLUICE_OUTBOUND_DENY';
      }
      for (const address of addresses) {
        const refusal = refusalOf(host, address);
        if (refusal !== undefined) return refusal;
      }
      return addresses.length === 0 ? 'its name leads to no address' : undefined;
    },
  };
}
