import { join, resolve } from 'node:path';
import type { StackEnvironment, StackTarget } from '../stack/stack-configuration.ts';
import type { StackPrincipal } from '../stack/stack-secrets.ts';
import type { StackOptions } from '../stack/stack-types.ts';

/** An environment of the demo with its one host. */
export type DemoPlace = { readonly environment: string; readonly target: string };

/** Where the demo's releases go, in order. */
export const PLACES: readonly DemoPlace[] = ['dev', 'staging', 'production'].map((environment) => ({
  environment,
  target: `${environment}-host-1`,
}));

const PRINCIPALS: readonly StackPrincipal[] = [
  { name: 'release-manager', role: 'release-manager' },
  { name: 'approver', role: 'approver' },
  { name: 'viewer', role: 'viewer' },
  { name: 'admin', role: 'admin' },
];

/** Eight seconds: a busy laptop may take long to start a service, and a person waits for the revert. */
const HEALTH = { failures: 40 };

/**
 * The stack of the demo: dev, staging and production in this order, and production wants a second
 * person. Only dev's host was told where greetings are counted, which version 1.2.0 wants to know.
 */
export function getDemoStack(
  dataDir: string,
): Pick<StackOptions, 'environments' | 'targets' | 'principals'> {
  const store = join(resolve(dataDir), 'greetings');
  return {
    environments: PLACES.map(({ environment }, index): StackEnvironment => {
      const place = { name: environment, position: index + 1 };
      return environment === 'production'
        ? { ...place, pipeline: 'approved', approval: { count: 1, roles: ['approver'] } }
        : place;
    }),
    targets: PLACES.map(
      ({ environment, target }): StackTarget => ({
        ...{ name: target, environment, health: HEALTH },
        settings: {
          GREETING: `hello from ${environment}`,
          ...(environment === 'dev' ? { GREETING_STORE: store } : {}),
        },
      }),
    ),
    principals: PRINCIPALS,
  };
}
