/** How many subscribers one process serves. */
export interface SubscriptionLimits {
  /** Connections at once. */
  readonly connections: number;
  /** Connections of one principal at once. */
  readonly connectionsPerPrincipal: number;
  /** Operations of one connection at once. */
  readonly operationsPerConnection: number;
}

/** The limits of the public API. */
export const SUBSCRIPTION_LIMITS: SubscriptionLimits = {
  connections: 1000,
  connectionsPerPrincipal: 50,
  operationsPerConnection: 20,
};

/** Largest message of a client. Bytes. */
export const MAX_MESSAGE_BYTES = 64 * 1024;

/** How long a client may take to say who it is. Milliseconds. */
export const INIT_DEADLINE_MS = 5000;

/** A client is asked this often whether it is still there, and ended when it does not say so. Milliseconds. */
export const PING_EVERY_MS = 15_000;
