import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readDemoArguments } from '../../demo/options.mjs';

const CHECKOUT_URL = new URL('../../../', import.meta.url);

/** What `npm run demo -- …` may be told. */
export type DemoOptions = {
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
  const { once, json, reset, data } = readDemoArguments(args);
  return {
    once,
    json,
    reset,
    dataDir: resolve(data ?? join(fileURLToPath(CHECKOUT_URL), '.sluice', 'demo')),
  };
}
