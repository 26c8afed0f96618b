import { isAbsolute, resolve } from 'node:path';

/** What the environment variables of the API process say. */
export interface ApiSettings {
  /** Of the role `sluice_app`. */
  readonly databaseUrl: string;
  /** `host:port`. */
  readonly temporalAddress: string;
  readonly temporalNamespace: string;
  /** The keys of the payload codec. */
  readonly codecKeysFile: string;
  readonly evidenceDir: string;
  /** The configuration file. */
  readonly configFile: string;
  /** Public keys of the signer. */
  readonly trustRootFile: string;
  /** Wins over the configuration's `enrolment.keyFile`; null when only that counts. */
  readonly enrolmentKeyFile: string | null;
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** Where agents reach the API through a proxy; null when nothing stands between. */
  readonly publicUrl: URL | null;
}

/** Everything that is wrong in the environment, one line each. */
export class SettingsError extends Error {
  readonly code = 'settings-invalid';

  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.name = 'SettingsError';
  }
}

/**
 * Reads the settings of the API process.
 * @throws SettingsError with one line per problem
 */
export function readSettings(
  env: Readonly<Record<string, string | undefined>>,
  workingFolder: string,
): ApiSettings {
  const problems: string[] = [];
  const required = (name: string, how: string): string => {
    const value = env[name];
    if (value !== undefined && value !== '') return value;
    problems.push(`${name} is not set: ${how}.`);
    return '';
  };
  const path = (value: string): string =>
    isAbsolute(value) ? value : resolve(workingFolder, value);
  const databaseUrl = required(
    'SLUICE_DATABASE_URL',
    'write postgres://sluice_app:…@host/database',
  );
  if (databaseUrl !== '' && !/^postgres(ql)?:\/\//.test(databaseUrl)) {
    problems.push('SLUICE_DATABASE_URL is no postgres:// URL.');
  }
  const temporalAddress = required('SLUICE_TEMPORAL_ADDRESS', 'write host:port of the engine');
  if (temporalAddress !== '' && !isAddress(temporalAddress)) {
    problems.push(`SLUICE_TEMPORAL_ADDRESS is "${temporalAddress}": write host:port.`);
  }
  const temporalNamespace = env.SLUICE_TEMPORAL_NAMESPACE ?? 'sluice';
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{1,62}$/.test(temporalNamespace)) {
    problems.push(
      `SLUICE_TEMPORAL_NAMESPACE is "${temporalNamespace}": write 2 to 63 letters, digits, "." "_" "-".`,
    );
  }
  const codecKeysFile = required(
    'SLUICE_CODEC_KEYS',
    'write the path of the file with the keys of the payload codec',
  );
  const evidenceDir = required('SLUICE_EVIDENCE_DIR', 'write the folder of the evidence store');
  const configFile = required('SLUICE_CONFIG', 'write the path of sluice.config.yaml');
  const trustRootFile = required('SLUICE_TRUST_ROOT', 'write the path of the trust root file');
  const enrolmentKey = env.SLUICE_ENROLLMENT_KEY ?? '';
  const port = Number(env.SLUICE_API_PORT ?? '7070');
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    problems.push(`SLUICE_API_PORT is "${env.SLUICE_API_PORT}": write a port from 0 to 65535.`);
  }
  const publicUrl = readPublicUrl(env.SLUICE_PUBLIC_URL ?? '', problems);
  if (problems.length > 0) throw new SettingsError(problems);
  return {
    databaseUrl,
    temporalAddress,
    temporalNamespace,
    codecKeysFile: path(codecKeysFile),
    evidenceDir: path(evidenceDir),
    configFile: path(configFile),
    trustRootFile: path(trustRootFile),
    enrolmentKeyFile: enrolmentKey === '' ? null : path(enrolmentKey),
    host: env.SLUICE_API_HOST ?? '127.0.0.1',
    port,
    publicUrl,
  };
}

function isAddress(text: string): boolean {
  const port = /^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):([0-9]{1,5})$/.exec(text)?.[1];
  return port !== undefined && Number(port) > 0 && Number(port) <= 65_535;
}

function readPublicUrl(text: string, problems: string[]): URL | null {
  if (text === '') return null;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && /^https?:$/.test(url.protocol) && url.href === `${url.origin}/`)
    return url;
  problems.push(
    `SLUICE_PUBLIC_URL is "${text}": write scheme and host as agents call it, https://sluice.example.`,
  );
  return null;
}
