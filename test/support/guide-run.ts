import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { getCacheFolder, removeStackData } from '@sluice/infra';
import { findFreePort } from '@sluice/temporal-server';
import { runNode } from './cli.ts';
import { findUnprinted, type GuideBlock, readGuideBlocks } from './guide-blocks.ts';
import { type ShellSession, startShell } from './shell-session.ts';

const CHECKOUT = fileURLToPath(new URL('../../', import.meta.url));
const BLOCK_MS = 180_000;

/** A guide, and what a test knows of it. */
export interface Guide {
  /** From the checkout. */
  readonly file: string;
  /** Ports that it names; here each becomes a free one. */
  readonly ports: readonly number[];
  /** The folder of its control plane, from the home folder. */
  readonly dataDir: string;
  /** The programs that some blocks want, each with whether it works here. */
  readonly tools?: Readonly<Record<string, boolean>>;
  /** What blocks must have printed, by a line of theirs; beside what the guide itself says. */
  readonly prints?: Readonly<Record<string, readonly string[]>>;
  /**
   * Called once with the home folder, before the first block.
   * @returns the checkout to begin in, where that is not this one, and what is added to the environment
   */
  readonly prepare?: (home: string) => Promise<{
    readonly checkout?: string;
    readonly env?: Readonly<Record<string, string>>;
  }>;
  /** Called once behind the last block. */
  readonly cleanUp?: () => Promise<void>;
}

/** Runs every block of a guide in one shell, as its reader does, each as a test; to be called in a `describe`. */
export function testGuide(guide: Guide): void {
  const { ports, tools = {}, prints = {} } = guide;
  const blocks = readGuideBlocks(readFileSync(join(CHECKOUT, guide.file), 'utf8'));
  const free = new Map<number, number>();
  let home: string;
  let shell: ShellSession | undefined;
  let isBroken = false;

  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'sluice-guide-'));
    // As root, Postgres runs as a user of its own, who must be able to enter.
    await chmod(home, 0o755);
    const PATH = `${dirname(process.execPath)}:${process.env['PATH'] ?? ''}`;
    const built = await runNode([join(CHECKOUT, 'infra/build/build.mjs'), '--quiet'], { PATH });
    expect(built).toMatchObject({ status: 0 });
    for (const port of ports) free.set(port, await findFreePort(0, new Set(free.values())));
    const { checkout = CHECKOUT, env } = (await guide.prepare?.(home)) ?? {};
    shell = startShell(
      checkout,
      { PATH, HOME: home, SLUICE_CACHE: getCacheFolder(), ...env },
      home,
    );
  }, 240_000);

  afterAll(async () => {
    await shell?.close();
    await guide.cleanUp?.();
    await removeStackData(join(home, guide.dataDir));
    await rm(home, { recursive: true, force: true });
  }, 60_000);

  async function runBlock({ commands }: GuideBlock): Promise<string> {
    const text = ports.reduce(
      (all, port) => all.replaceAll(String(port), String(free.get(port))),
      commands,
    );
    const { status = 1, output = '' } = (await shell?.run(text)) ?? {};
    isBroken = status !== 0;
    if (isBroken) throw new Error(`The block ended with status ${status}:\n${output.slice(-4000)}`);
    return output;
  }

  test.each(blocks.map((block) => [titleOf(block, tools), block] as const))(
    '%s',
    async (_, block) => {
      if (isBroken) throw new Error('A block before this one failed.');
      if (block.needs !== undefined && tools[block.needs] !== true) {
        // An unknown tool is a mistake in the guide, not one that is missing here.
        expect(Object.keys(tools)).toContain(block.needs);
        const check = spawnSync('bash', ['-n'], { input: block.commands, encoding: 'utf8' });
        expect([check.status, check.stderr]).toEqual([0, '']);
        return;
      }
      const output = await runBlock(block);
      const missing = findUnprinted(output, block.prints);
      if (missing !== undefined) throw new Error(`Not printed: "${missing}", but:\n${output}`);
      for (const [line, printed] of Object.entries(prints)) {
        if (!block.commands.includes(line)) continue;
        for (const text of printed) expect(output).toContain(text);
      }
    },
    BLOCK_MS,
  );

  test('all that must be printed was looked for', () => {
    for (const line of Object.keys(prints)) {
      expect(blocks.filter(({ commands }) => commands.includes(line))).toHaveLength(1);
    }
  });
}

function titleOf({ title, needs }: GuideBlock, tools: Readonly<Record<string, boolean>>): string {
  return needs === undefined || tools[needs]
    ? title
    : `${title} (no ${needs} here: its syntax alone)`;
}
