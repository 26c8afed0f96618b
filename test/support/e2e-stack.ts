import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  getTool,
  type ImageContent,
  removeStackData,
  type Stack,
  type StackOptions,
  startStack,
  writeImageLayout,
} from '@sluice/infra';
import { createScannerScript, type ScannerMode, type ScannerScript } from './scanner-script.ts';
import { StackClient } from './stack-client.ts';

/** A stack of a suite's own, with what tests need of it. */
export interface TestStack {
  readonly stack: Stack;
  /** As the release manager. */
  readonly client: StackClient;
  readonly scanner: ScannerScript;
  /** For files of the test; removed with the stack. */
  readonly folder: string;
  /** Ends every process and removes every file. */
  remove(): Promise<void>;
}

/** What a suite says about its stack. */
export interface TestStackOptions extends Omit<StackOptions, 'dataDir' | 'ports'> {
  /** Images of the source `images`. */
  readonly images?: readonly ImageContent[];
  /** Names of image layouts that `prepare` writes into the folder; each is a source of that name. */
  readonly layouts?: readonly string[];
  /** Runs before the processes start. */
  readonly prepare?: (folder: string) => Promise<void>;
  readonly scannerMode?: ScannerMode;
}

/** Quicker than the product's, so that an agent that is gone is seen; each heartbeat is work for agent, API and database. */
const QUICK_AGENTS = { heartbeatSeconds: 5, staleSeconds: 15, offlineSeconds: 30 };

/**
 * Starts a whole stack of real processes on free ports in a folder of its own. A guard process ends all of it
 * when the test's process is gone without having done so.
 */
export async function startTestStack(options: TestStackOptions): Promise<TestStack> {
  const { images, layouts = [], prepare, scannerMode, ...stackOptions } = options;
  const folder = await mkdtemp(join(tmpdir(), 'sluice-e2e-'));
  // As root, Postgres runs as a user of its own, who must be able to enter.
  await chmod(folder, 0o755);
  const dataDir = join(folder, 'data');
  const guard = startGuard(folder);
  try {
    await prepare?.(folder);
    const { path: trivy } = await getTool('trivy');
    const scanner = await createScannerScript(join(folder, 'scanner'), trivy, scannerMode);
    if (images !== undefined) await writeImageLayout(join(folder, 'images'), images);
    const named = [...layouts, ...(images === undefined ? [] : ['images'])];
    const sources = named.map((name) => ({ name, path: join(folder, name) }));
    const stack = await startStack({
      temporalUi: false,
      // What is committed survives the end of the process, though not that of the machine.
      postgresSettings: { fsync: 'off' },
      agents: QUICK_AGENTS,
      trivyExecutable: scanner.path,
      ...(sources.length === 0 ? {} : { sources }),
      ...stackOptions,
      dataDir,
      ports: 'any',
    });
    return {
      stack,
      client: new StackClient(stack),
      scanner,
      folder,
      remove: async () => {
        await stack.stop();
        await removeStackData(dataDir);
        await rm(folder, { recursive: true, force: true });
        await guard.dismiss();
      },
    };
  } catch (error) {
    await removeStackData(dataDir).catch(() => undefined);
    await guard.dismiss();
    throw error;
  }
}

function startGuard(folder: string): { dismiss(): Promise<void> } {
  const script = fileURLToPath(new URL('./stack-guard.mjs', import.meta.url));
  const guard = spawn(process.execPath, [script, folder], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  guard.stdin.on('error', () => undefined);
  guard.unref();
  return {
    dismiss: async () => {
      if (guard.exitCode !== null) return;
      guard.ref();
      guard.stdin.end('done\n');
      await once(guard, 'close');
    },
  };
}
