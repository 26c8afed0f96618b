import { resolve } from 'node:path';
import type { TrustRoot } from '@sluice/domain';
import {
  MAX_PACKET_BYTES,
  MAX_TRUST_ROOT_BYTES,
  type PacketVerification,
  parseTrustRoot,
  verifyPacket,
} from '@sluice/signing';
import type { Command } from 'commander';
import type { CliIo } from './cli-io.ts';
import { act, readInput } from './command-context.ts';
import { CliError, EXIT_CODES, type ExitCode } from './exit-codes.ts';
import { wrapped } from './text-layout.ts';

/** Adds `sluice verify`. */
export function addVerifyCommand(
  program: Command,
  io: CliIo,
  settle: (exitCode: ExitCode) => void,
): void {
  const verify = program
    .command('verify <packet>')
    .description('verify an evidence packet, offline; status 4 when it does not verify')
    .requiredOption('--trust-root <file>', 'public keys, from whom you trust');
  act<{ readonly trustRoot: string }>(verify, io, settle, (context, options, [packet = '']) => {
    const trustRoot = readTrustRoot(options.trustRoot);
    const outcome = verifyPacket(readInput(packet, 'The packet', MAX_PACKET_BYTES), trustRoot);
    context.print(outcome, () => describe(resolve(packet), outcome));
    return outcome.ok ? EXIT_CODES.ok : EXIT_CODES.unverified;
  });
}

function readTrustRoot(path: string): TrustRoot {
  const bytes = readInput(path, 'The trust root', MAX_TRUST_ROOT_BYTES);
  try {
    return parseTrustRoot(bytes);
  } catch (error) {
    throw new CliError(EXIT_CODES.usage, 'trust-root-invalid', (error as Error).message);
  }
}

function describe(path: string, { ok, problems, promotion }: PacketVerification): string {
  if (!ok) {
    const lines = problems
      .slice(0, 20)
      .map(({ statement, code, message }) => wrapped(`  ${statement}: ${code}. ${message}`, 4));
    const more = problems.length > 20 ? `  … and ${problems.length - 20} more\n` : '';
    return `NOT VERIFIED  ${path}\n${lines.join('')}${more}`;
  }
  const { promotionId, state, release, releaseDigest, endedAt, statements, keyIds } = promotion;
  return [
    `VERIFIED  ${path}\n`,
    `  promotion   ${promotionId}: ${state}\n`,
    `  release     ${release}\n`,
    `  digest      ${releaseDigest}\n`,
    `  ended       ${endedAt}\n`,
    `  statements  ${statements.length} and the promotion's own\n`,
    ...statements.map((type) => `    ${type}\n`),
    ...keyIds.map((id) => `  signed by   ${id}\n`),
  ].join('');
}
