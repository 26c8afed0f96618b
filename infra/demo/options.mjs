// What `npm run demo -- …` may be told: read here before anything is installed, and again by
// infra/src/demo. Plain Node without dependencies.
import { parseArgs } from 'node:util';

/** How the demo is used. */
export const DEMO_USAGE = `usage: npm run demo -- [--canary] [--once] [--json] [--reset] [--data FOLDER] [--help]
  --canary a release that is not good enough reaches a few requests through a real proxy, is found
           out and put back; needs HAProxy, nginx or Caddy
  --once   end after the table, status 0 when every step did what it must
  --json   print one JSON document on standard output, all else on standard error
  --reset  start from nothing: deletes the data folder
  --data   keep the data elsewhere than in .sluice/demo (of --canary: .sluice/demo-canary)
  --help   print this`;

/**
 * Reads the arguments.
 *
 * @param {readonly string[]} args
 * @throws {TypeError} for one that is not known, and for `--data` without a folder
 */
export function readDemoArguments(args) {
  const { values } = parseArgs({
    args: [...args],
    options: {
      canary: { type: 'boolean', default: false },
      once: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      reset: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
      data: { type: 'string' },
    },
  });
  if (values.data === '') {
    throw new TypeError('--data needs the name of a folder; this one is empty.');
  }
  return { ...values };
}
