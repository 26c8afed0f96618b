import {
  type EnvironmentRecord,
  findEnvironment,
  listTargetsOf,
  type Tx,
} from '@sluice/persistence';
import { notFound, stateConflict } from '../common/refusal.ts';

/**
 * An environment that something can be put in.
 * @throws RefusalException `environment-unknown`, `environment-without-targets`
 */
export async function requireEnvironment(tx: Tx, name: string): Promise<EnvironmentRecord> {
  const environment = await findEnvironment(tx, name);
  if (environment === undefined) {
    throw notFound(
      'environment-unknown',
      `There is no environment ${name}; name one that the configuration declares.`,
    );
  }
  if ((await listTargetsOf(tx, [name])).length === 0) {
    throw stateConflict(
      'environment-without-targets',
      `Environment ${name} has no targets; declare one in the configuration.`,
    );
  }
  return environment;
}
