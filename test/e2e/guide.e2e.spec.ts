import { spawnSync } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { getCacheFolder, removeStackData } from '@sluice/infra';
import { findFreePort } from '@sluice/temporal-server';
import { runNode } from '../support/cli.ts';
import {
  canStartDocker,
  type DockerEngine,
  hasProgram,
  startDockerEngine,
} from '../support/docker-engine.ts';
import { type GuideBlock, readGuideBlocks } from '../support/guide-blocks.ts';
import { type ShellSession, startShell } from '../support/shell-session.ts';

const CHECKOUT = fileURLToPath(new URL('../../', import.meta.url));
const GUIDE = 'docs/guides/promote-your-own-service.md';
/** Ports that the guide names; here each becomes a free one. */
const PORTS = [17070, 18080, 18081, 18082];
const BLOCK_MS = 180_000;

const blocks = readGuideBlocks(await readFile(join(CHECKOUT, GUIDE), 'utf8'));
/** The tools that some blocks want, each with the engine that it works with. */
const TOOLS: Readonly<Record<string, boolean>> = {
  docker: canStartDocker(),
  buildx: canStartDocker() && hasProgram('docker', ['buildx', 'version']),
  skopeo: canStartDocker() && hasProgram('skopeo', ['--version']),
};
const titleOf = ({ title, needs }: GuideBlock): string =>
  needs === undefined || TOOLS[needs] ? title : `${title} (no ${needs} here: its syntax alone)`;
const ports = new Map<number, number>();
let folder: string;
let engine: DockerEngine | undefined;
let shell: ShellSession;
let isBroken = false;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-guide-'));
  // As root, Postgres runs as a user of its own, who must be able to enter.
  await chmod(folder, 0o755);
  const PATH = `${dirname(process.execPath)}:${process.env['PATH'] ?? ''}`;
  await runNode([join(CHECKOUT, 'infra/build/build.mjs'), '--quiet'], { PATH });
  for (const port of PORTS) {
    ports.set(port, await findFreePort(0, new Set(ports.values())));
  }
  engine = await startDockerEngine(join(folder, 'docker'));
  const env = {
    ...{ PATH, HOME: folder, SLUICE_CACHE: getCacheFolder() },
    ...(engine === undefined ? {} : { DOCKER_HOST: engine.host }),
  };
  shell = startShell(CHECKOUT, env, folder);
}, 240_000);

afterAll(async () => {
  await shell?.close();
  await engine?.stop();
  await removeStackData(join(folder, 'greeter', 'control-plane'));
  await rm(folder, { recursive: true, force: true });
}, 60_000);

async function runBlock({ commands }: GuideBlock): Promise<string> {
  const text = PORTS.reduce(
    (all, port) => all.replaceAll(String(port), String(ports.get(port))),
    commands,
  );
  const { status, output } = await shell.run(text);
  isBroken = status !== 0;
  if (isBroken) throw new Error(`The block ended with status ${status}:\n${output.slice(-4000)}`);
  return output;
}

/** What the block must have printed, by a line of it. */
const PRINTS: Readonly<Record<string, readonly string[]>> = {
  'promotion request greeter@1.0.0 staging': ['"greeting":"hello from staging"'],
  "comment 'seen in staging'": [
    '"version":"1.0.0","greeting":"hello from the first host"',
    '"version":"1.0.0","greeting":"hello from the second host"',
  ],
  'VERSION=1.1.0': [
    '"version":"1.1.0","greeting":"hello from the first host"',
    '"version":"1.1.0","greeting":"hello from the second host"',
  ],
  'rollback production': [
    '"version":"1.0.0","greeting":"hello from the first host"',
    '"version":"1.0.0","greeting":"hello from the second host"',
  ],
};

describe('the guide "Promote your own service", block by block', () => {
  test.each(blocks.map((block) => [titleOf(block), block] as const))(
    '%s',
    async (_, block) => {
      if (isBroken) throw new Error('A block before this one failed.');
      if (block.needs !== undefined && TOOLS[block.needs] !== true) {
        // An unknown tool is a mistake in the guide, not one that is missing here.
        expect(Object.keys(TOOLS)).toContain(block.needs);
        const check = spawnSync('bash', ['-n'], { input: block.commands, encoding: 'utf8' });
        expect([check.status, check.stderr]).toEqual([0, '']);
        return;
      }
      const output = await runBlock(block);
      for (const [line, printed] of Object.entries(PRINTS)) {
        if (block.commands.includes(line)) {
          for (const text of printed) expect(output).toContain(text);
        }
      }
    },
    BLOCK_MS,
  );

  test('all that must be printed was looked for', () => {
    for (const line of Object.keys(PRINTS)) {
      expect(blocks.filter(({ commands }) => commands.includes(line))).toHaveLength(1);
    }
  });
});
