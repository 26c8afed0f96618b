import { createHash } from 'node:crypto';
import { ByteSource } from '../nar/byte-source.ts';
import { RunningSum } from '../nar/nar-digest.ts';
import { checkLinks } from '../nar/nar-links.ts';
import { type NarEvent, readNar } from '../nar/read-nar.ts';
import { isNixError, NixError, type NixErrorCode, printable } from '../nix-error.ts';
import { assertStoreDir, parseStorePath } from '../store-path.ts';
import { type ClosureLimits, DEFAULT_CLOSURE_LIMITS } from './closure-limits.ts';
import { findRoots, orderMembers } from './closure-members.ts';
import {
  CACHE_INFO_NAME,
  findTarMember,
  formatCacheInfo,
  TAR_BLOCK,
  TAR_END,
  tarPadding,
} from './closure-tar.ts';
import { type ClosureArchive, closureSize } from './export-closure.ts';
import { type ClosureMember, narNameOf, parseNarinfo } from './narinfo.ts';
import { UndeclaredReferences } from './undeclared-references.ts';

/** What takes the NARs of an archive, one after the other. */
export interface ClosureSink {
  /** Called once, before the first NAR, with everything that the archive says it holds. */
  begin(storeDir: string, members: readonly ClosureMember[]): Promise<void>;
  /**
   * Called for each member in the archive's order; must read the events to their end. They are verified
   * only when {@link readClosure} has returned.
   */
  member(member: ClosureMember, events: AsyncIterable<NarEvent>): Promise<void>;
  /** Called with the bytes of each NAR before they become events, for who keeps NARs as they are. */
  narBytes?(member: ClosureMember, chunk: Uint8Array): Promise<void>;
}

/** What an archive has to be. */
export interface ExpectedClosure {
  /** `sha256:<hex>` of the whole archive. */
  readonly digest: string;
  /** Store path that has to be in it, and its NAR's `sha256:<hex>`; absent is any. */
  readonly storePath?: string;
  readonly narHash?: string;
}

/**
 * Reads an archive that {@link writeClosure} made, as it comes and without keeping it: its form byte by
 * byte, each NAR's form, links and hash, that all references are in it, and its digest at the end. Only
 * when this returns is anything verified that the sink was given.
 * @throws NixError with `closure-*` and `nar-*` codes and the byte's number; no retry of the same bytes mends it
 */
export async function readClosure(
  source: AsyncIterable<Uint8Array>,
  expected: ExpectedClosure,
  sink: ClosureSink,
  limits: ClosureLimits = DEFAULT_CLOSURE_LIMITS,
): Promise<ClosureArchive> {
  const hash = createHash('sha256');
  const bytes = new ByteSource(hashed(source, hash));
  try {
    const reader = new ClosureReader(bytes, limits);
    const { storeDir, members } = await reader.index();
    assertHolds(members, expected);
    await sink.begin(storeDir, members);
    for (const member of members) await reader.nar(member, storeDir, members, sink);
    await reader.end();
    const digest = `sha256:${hash.digest('hex')}`;
    if (digest !== expected.digest) {
      throw new NixError(
        'closure-digest-mismatch',
        `The closure has the digest ${digest}, not ${printable(expected.digest)}: it is another one, or was damaged. Fetch it again.`,
      );
    }
    return { digest, size: bytes.offset, storeDir, members, roots: findRoots(members) };
  } finally {
    await bytes.close();
  }
}

async function* hashed(
  source: AsyncIterable<Uint8Array>,
  hash: { update(chunk: Uint8Array): unknown },
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const chunk of source) {
    hash.update(chunk);
    yield chunk;
  }
}

function assertHolds(members: readonly ClosureMember[], expected: ExpectedClosure): void {
  if (expected.storePath === undefined) return;
  const found = members.find((member) => member.storePath === expected.storePath);
  const path = printable(expected.storePath);
  if (found === undefined) {
    throw new NixError(
      'closure-invalid',
      `The closure does not hold "${path}". Name the archive that belongs to this component.`,
      { path },
    );
  }
  if (expected.narHash !== undefined && expected.narHash !== found.narHash) {
    throw new NixError(
      'closure-nar-mismatch',
      `"${path}" has the NAR hash ${found.narHash} in the closure, not ${printable(expected.narHash)}. Name the archive that belongs to this component.`,
      { path },
    );
  }
}

/** One archive that is being read. */
class ClosureReader {
  readonly #bytes: ByteSource;
  readonly #limits: ClosureLimits;
  #pending: { name: string; size: number; offset: number } | undefined;

  constructor(bytes: ByteSource, limits: ClosureLimits) {
    this.#bytes = bytes;
    this.#limits = limits;
  }

  /** Everything before the first NAR. */
  async index(): Promise<{ storeDir: string; members: readonly ClosureMember[] }> {
    const info = await this.#text(CACHE_INFO_NAME, 4096);
    const storeDir = /^StoreDir: (\S+)\n$/.exec(info)?.[1] ?? '';
    if (formatCacheInfo(storeDir) !== info) {
      this.#fail('closure-invalid', 'its nix-cache-info has not the form that Sluice writes');
    }
    assertStoreDir(storeDir);
    const members: ClosureMember[] = [];
    let last = '';
    for (;;) {
      const { name, offset } = await this.#peek();
      const hash = /^(.{32})\.narinfo$/.exec(name)?.[1];
      if (hash === undefined) break;
      if (hash <= last) this.#fail('closure-invalid', `"${printable(name)}" is out of order`);
      last = hash;
      if (members.length === this.#limits.maxPaths) {
        this.#fail('closure-too-large', `it has more than ${this.#limits.maxPaths} store paths`);
      }
      const text = await this.#text(name, this.#limits.maxNarinfoBytes);
      const member = parseNarinfo(text, storeDir, offset);
      if (parseStorePath(member.storePath, storeDir).hash !== hash) {
        this.#fail('closure-invalid', `"${printable(name)}" is of another store path`);
      }
      if (member.narSize > this.#limits.nar.maxBytes) {
        this.#fail('closure-too-large', `"${member.storePath}" has ${member.narSize} bytes`);
      }
      members.push(member);
    }
    if (members.length === 0) this.#fail('closure-invalid', 'it holds no store path');
    const size = closureSize(members, storeDir);
    if (size > this.#limits.maxBytes) {
      this.#fail(
        'closure-too-large',
        `it has ${size} bytes, ${this.#limits.maxBytes} are the most`,
      );
    }
    orderMembers(members);
    return { storeDir, members };
  }

  /** The NAR of a member, handed to the sink. */
  async nar(
    member: ClosureMember,
    storeDir: string,
    members: readonly ClosureMember[],
    sink: ClosureSink,
  ): Promise<void> {
    const { hash, baseName } = parseStorePath(member.storePath, storeDir);
    await this.#open(narNameOf(hash), member.narSize);
    const firstByte = this.#bytes.offset;
    const sum = new RunningSum();
    const baseNameOf = (path: string) => parseStorePath(path, storeDir).baseName;
    const references = new Set(member.references.map(baseNameOf));
    const scan = new UndeclaredReferences(
      members.map((other) => parseStorePath(other.storePath, storeDir)),
      new Set([baseName, ...references]),
    );
    const chunks = scan.pass(sum.pass(this.#content(member, sink)));
    const events = readNar(chunks, this.#limits.nar, firstByte);
    try {
      await sink.member(member, checkLinks(events, { storeDir, baseName, references }));
    } catch (error) {
      throw isNixError(error) ? inMember(error, member) : error;
    }
    if (sum.size !== member.narSize) {
      throw new Error(`A closure sink left ${member.storePath} unread.`);
    }
    const undeclared = scan.first;
    if (undeclared !== undefined) {
      this.#fail(
        'closure-reference-undeclared',
        `"${baseName}" mentions "${undeclared}" and does not say that it refers to it`,
      );
    }
    const found = sum.end().hash.digest;
    if (found !== member.narHash) {
      this.#fail('closure-nar-mismatch', `the NAR of "${baseName}" has the hash ${found}`);
    }
    await this.#zeros(tarPadding(member.narSize).length);
  }

  async end(): Promise<void> {
    await this.#zeros(TAR_END.length);
    if ((await this.#bytes.takeSome(1)) !== undefined) {
      this.#fail('closure-invalid', 'it goes on after its end');
    }
  }

  async *#content(
    member: ClosureMember,
    sink: ClosureSink,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    let left = member.narSize;
    while (left > 0) {
      const chunk = await this.#bytes.takeSome(left);
      if (chunk === undefined) this.#fail('closure-truncated', 'it ends within a NAR');
      left -= chunk.length;
      await sink.narBytes?.(member, chunk);
      yield chunk;
    }
  }

  async #text(name: string, longest: number): Promise<string> {
    const { size } = await this.#peek();
    if (size > longest) {
      this.#fail('closure-too-large', `"${printable(name)}" has ${size} bytes`);
    }
    await this.#open(name, size);
    const text = Buffer.from(await this.#exactly(size)).toString('latin1');
    await this.#zeros(tarPadding(size).length);
    return text;
  }

  async #open(name: string, size: number): Promise<void> {
    const found = await this.#peek();
    if (found.name !== name || found.size !== size) {
      this.#fail(
        'closure-invalid',
        `it has "${printable(found.name)}" of ${found.size} bytes where "${name}" of ${size} belongs`,
      );
    }
    this.#pending = undefined;
  }

  async #peek(): Promise<{ name: string; size: number; offset: number }> {
    if (this.#pending === undefined) {
      const { offset } = this.#bytes;
      const member = findTarMember(await this.#exactly(TAR_BLOCK));
      if (member === undefined) {
        this.#fail('closure-invalid', 'a header is not in the form that Sluice writes');
      }
      this.#pending = { ...member, offset };
    }
    return this.#pending;
  }

  async #zeros(count: number): Promise<void> {
    const bytes = await this.#exactly(count);
    if (bytes.some((byte) => byte !== 0)) {
      this.#fail('closure-invalid', 'it has something where only zeros belong');
    }
  }

  async #exactly(count: number): Promise<Uint8Array> {
    if (count === 0) return new Uint8Array(0);
    const bytes = await this.#bytes.take(count);
    if (bytes.length < count) this.#fail('closure-truncated', 'it ends too early');
    return bytes;
  }

  #fail(code: NixErrorCode, problem: string): never {
    const { offset } = this.#bytes;
    throw new NixError(
      code,
      `The closure is refused at byte ${offset}: ${problem}. Fetch it again, or export it again with Sluice.`,
      { offset },
    );
  }
}

function inMember(error: NixError, member: ClosureMember): NixError {
  const path = printable(member.storePath);
  return new NixError(
    error.code,
    `In "${path}": ${error.message}`,
    { path, ...error.detail },
    { cause: error },
  );
}
