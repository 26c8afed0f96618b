import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readDemoArguments } from '../../demo/options.mjs';

const CHECKOUT_URL = new URL('../../../', import.meta.url);

/** What `npm run demo -- …` may be told. */
export type DemoOptions = {
  /** The story of a rollout instead of the first one. */
  readonly canary: boolean;
  /** Ends after the table instead of staying up. */
  readonly once: boolean;
  /** One JSON document on standard output, all else on standard error. */
  readonly json: boolean;
  /** Deletes the data folder first. */
  readonly reset: boolean;
  /** Absolute. */
  readonly dataDir: string;
};

/** Reads the arguments. @throws TypeError for one that is not known. */
export function parseDemoOptions(args: readonly string[]): DemoOptions {
  const { canary, once, json, reset, data } = readDemoArguments(args);
  const name = canary ? 'demo-canary' : 'demo';
  return {
    canary,
    once,
    json,
    reset,
    dataDir: resolve(data ?? join(fileURLToPath(CHECKOUT_URL), '.sluice', name)),
  };
}
