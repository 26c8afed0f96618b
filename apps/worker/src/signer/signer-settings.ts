import { type Environment, SettingsReader } from '../settings.ts';

/** What the signer process needs to know. */
export interface SignerSettings {
  /** Of the role sluice_signer. */
  readonly databaseUrl: string;
  /** As configured; the path in use may be a shorter one derived from it. */
  readonly socketPath: string;
  /** Folder of the signer's own keys. */
  readonly keysDir: string;
  /** Public file that the signer writes for everyone who verifies. */
  readonly trustRootFile: string;
}

/** @throws SettingsError with one line per problem */
export function readSignerSettings(environment: Environment): SignerSettings {
  const reader = new SettingsReader(environment);
  const settings = {
    databaseUrl: reader.required(
      'SLUICE_DATABASE_URL',
      'the database, with the role sluice_signer',
    ),
    socketPath: reader.required('SLUICE_SIGNER_SOCKET', "the signer's Unix socket"),
    keysDir: reader.required('SLUICE_SIGNER_KEYS', "the folder of the signer's own keys"),
    trustRootFile: reader.required('SLUICE_TRUST_ROOT', 'the public trust root file to write'),
  };
  reader.assertValid();
  return settings;
}
