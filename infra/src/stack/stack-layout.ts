import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const APPS_URL = new URL('../../../apps/', import.meta.url);

/** Where everything of a stack lies below its data folder. All paths are absolute. */
export type StackLayout = {
  readonly dataDir: string;
  /** Tells that the folder is a stack's and may be deleted. */
  readonly mark: string;
  readonly postgresDir: string;
  readonly temporalDb: string;
  readonly evidenceDir: string;
  readonly keysDir: string;
  readonly signerKeysDir: string;
  readonly signerSocket: string;
  readonly codecKeys: string;
  readonly enrolmentKey: string;
  readonly trustRoot: string;
  readonly samplesDir: string;
  readonly agentsDir: string;
  /** Configurations of proxies, one folder each. */
  readonly proxiesDir: string;
  readonly configFile: string;
  readonly runRecord: string;
  readonly portsFile: string;
  readonly logsDir: string;
  readonly trivyCache: string;
};

/** The layout of a data folder. */
export function getStackLayout(dataDir: string): StackLayout {
  const root = resolve(dataDir);
  return {
    dataDir: root,
    mark: join(root, '.sluice-stack'),
    postgresDir: join(root, 'postgres'),
    temporalDb: join(root, 'temporal', 'temporal.db'),
    evidenceDir: join(root, 'evidence'),
    keysDir: join(root, 'keys'),
    signerKeysDir: join(root, 'keys', 'signer'),
    signerSocket: join(root, 'run', 'signer.sock'),
    codecKeys: join(root, 'keys', 'codec.json'),
    enrolmentKey: join(root, 'keys', 'enrolment.key'),
    trustRoot: join(root, 'trust-root.json'),
    samplesDir: join(root, 'sources', 'samples'),
    agentsDir: join(root, 'agents'),
    proxiesDir: join(root, 'proxies'),
    configFile: join(root, 'sluice.config.yaml'),
    runRecord: join(root, 'run', 'processes.json'),
    portsFile: join(root, 'run', 'ports.json'),
    logsDir: join(root, 'logs'),
    trivyCache: join(root, 'run', 'trivy-cache'),
  };
}

/**
 * The built entry of an app, such as `getAppScript('worker', 'signer.js')`. Apps are run, never
 * imported.
 */
export function getAppScript(app: string, entry = 'main.js'): string {
  return fileURLToPath(new URL(`${app}/dist/${entry}`, APPS_URL));
}

/** Where the log of a part is. */
export function logFileOf(layout: StackLayout, name: string): string {
  return join(layout.logsDir, `${name}.log`);
}
