/**
 * A control plane with a configuration of one's own, on one machine: Postgres, Temporal, signer, API
 * and worker, with generated keys and passwords in the data folder. Agents are started on the
 * hosts.
 *
 *   node infra/dist/control-plane/main.js --config sluice.config.yaml --data control-plane
 *
 * Prints one JSON line when it is ready and stays up until Ctrl-C; the data stay.
 */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { untilInterrupted } from '../demo/interruption.ts';
import type { Stack } from '../stack/stack-types.ts';
import { startStack } from '../stack/start-stack.ts';

const USAGE = `usage: control-plane --config FILE --data FOLDER [--port PORT]
                     [--workflow-bundle FILE] [--no-ui]
  --config  sluice.config.yaml, applied at this start
  --data    where keys, records, evidence and logs are kept; made when it is not there
  --port    of the API; 7070, or what it was the last time
  --workflow-bundle  workflow code that the worker runs in place of this checkout's build
  --no-ui   without Temporal's web UI
Settings of the worker's steps (SLUICE_SECRETS_DIR, SLUICE_NOTIFY_CHANNELS, …) are taken from the environment.`;

/** What the worker may be told by whoever starts all of it. */
const STEP_SETTINGS = [
  ...['SLUICE_SECRETS_DIR', 'SLUICE_NOTIFY_CHANNELS', 'SLUICE_ANALYSIS_PROVIDERS'],
  ...['SLUICE_OUTBOUND_ALLOW', 'SLUICE_OUTBOUND_DENY'],
  ...['SLUICE_BUBBLEWRAP', 'SLUICE_SANDBOX_PATHS', 'SLUICE_SCRIPT_NETWORK', 'SLUICE_SCRIPT_USER'],
  ...['SLUICE_NIX', 'SLUICE_NIX_STORE', 'SLUICE_NIX_SCRATCH', 'SLUICE_NIX_SANDBOX'],
  ...['SLUICE_NIX_MEMORY_MIB', 'SLUICE_NIX_CPUS', 'SLUICE_NIX_PROCESSES'],
  ...['SLUICE_NIX_KEEP_BUILDS', 'SLUICE_NIX_KEEP_DAYS', 'SLUICE_NIX_COLLECT_HOURS'],
  ...['SLUICE_WORKER_QUEUES', 'SLUICE_SCRIPTS_AT_ONCE', 'SLUICE_BUILDS_AT_ONCE'],
];

const say = (line: string): void => {
  process.stderr.write(`${line}\n`);
};

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  const options = readOptions(args);
  if (typeof options === 'string') {
    say(`${options}\n${USAGE}`);
    return 2;
  }
  const interruption = untilInterrupted();
  let stack: Stack | undefined;
  let status = 0;
  try {
    stack = await startStack({ ...options, progress: say, signal: interruption.signal });
    const { apiUrl, explorerUrl, temporalUiUrl, trustRootFile } = stack;
    const told = { ready: true, apiUrl, explorerUrl, temporalUiUrl, trustRootFile };
    process.stdout.write(`${JSON.stringify(told)}\n`);
    await interruption.happened;
  } catch (error) {
    status = interruption.hasHappened() ? 130 : 1;
    if (status === 1) {
      say((error as Error).message);
    }
  }
  if (stack !== undefined) {
    say('stopping …');
    await stack.stop().catch((error: unknown) => say((error as Error).message));
    say(`stopped; the data stay in ${stack.dataDir}`);
  }
  interruption.close();
  return status;
}

type Options = {
  readonly configFile: string;
  readonly dataDir: string;
  readonly temporalUi: boolean;
  readonly ports: Readonly<Record<string, number>>;
  readonly env: Readonly<Record<string, Readonly<Record<string, string>>>>;
};

function readOptions(args: readonly string[]): Options | string {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        config: { type: 'string' },
        data: { type: 'string' },
        port: { type: 'string' },
        'workflow-bundle': { type: 'string' },
        'no-ui': { type: 'boolean', default: false },
      },
    });
    const { config, data, port, 'workflow-bundle': bundle } = values;
    if (config === undefined || data === undefined || data === '') {
      return '--config and --data are needed.';
    }
    if (bundle !== undefined && !existsSync(bundle)) {
      return `There is no workflow code ${resolve(bundle)}.`;
    }
    if (port !== undefined && !/^\d{1,5}$/.test(port)) {
      return `--port is "${port}"; write a number.`;
    }
    return {
      configFile: resolve(config),
      dataDir: resolve(data),
      temporalUi: !values['no-ui'],
      ports: port === undefined ? {} : { api: Number(port) },
      env: {
        worker: {
          ...stepSettings(),
          ...(bundle === undefined ? {} : { SLUICE_WORKFLOW_BUNDLE: resolve(bundle) }),
        },
      },
    };
  } catch (error) {
    return (error as Error).message;
  }
}

function stepSettings(): Record<string, string> {
  return Object.fromEntries(
    STEP_SETTINGS.flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}
