import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { isProgramRunning } from './node-run.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Does something with a folder that nobody else can read and that is gone afterwards: when it is done, when it throws,
 * and when a signal ends this program (a program that it has started ends first).
 */
export async function withPrivateFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  // Mode 700, and a name that nobody could have made before.
  const folder = mkdtempSync(join(realpathSync(tmpdir()), 'sluice-'));
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  const leave = (signal: NodeJS.Signals): void => {
    if (!isProgramRunning()) process.exit(128 + constants.signals[signal]);
  };
  process.once('exit', remove);
  for (const signal of SIGNALS) process.on(signal, leave);
  try {
    return await work(folder);
  } finally {
    remove();
    process.off('exit', remove);
    for (const signal of SIGNALS) process.off(signal, leave);
  }
}
