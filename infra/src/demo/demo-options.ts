import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

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

/** How the demo is used. */
export const DEMO_USAGE = `usage: npm run demo -- [--once] [--json] [--reset] [--data FOLDER]
  --once   end after the table, status 0 when every step did what it must
  --json   print one JSON document on standard output, all else on standard error
  --reset  start from nothing
  --data   keep the data elsewhere than in .sluice/demo`;

/** Reads the arguments. @throws TypeError for one that is not known. */
export function parseDemoOptions(args: readonly string[]): DemoOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      once: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      reset: { type: 'boolean', default: false },
      data: { type: 'string' },
    },
  });
  return {
    once: values.once,
    json: values.json,
    reset: values.reset,
    dataDir: resolve(values.data ?? join(fileURLToPath(CHECKOUT_URL), '.sluice', 'demo')),
  };
}
