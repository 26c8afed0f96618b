import type { Tx } from '@sluice/persistence';

/** Runs work in one transaction that sees one tenant only. */
export type InTenant = <T>(work: (tx: Tx) => Promise<T>) => Promise<T>;
