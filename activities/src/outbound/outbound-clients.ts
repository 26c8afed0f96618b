import { FAILURES } from '@sluice/temporal-contract';
import { activityFailure } from '../failures.ts';
import { createAddressGuard } from './address-guard.ts';
import type { HostRules } from './host-rules.ts';
import { createOutboundClient, type LookUp, type OutboundClient } from './outbound-client.ts';

/** Clients by who names the URLs. */
export interface OutboundClients {
  /** For URLs that pipelines name: by the settings' lists, and not to the worker's own host unless they name its address. */
  readonly team: OutboundClient;
  /** For URLs of the configuration: health probes of targets, channels of notifications. */
  readonly configured: OutboundClient;
}

/** The settings' lists, for URLs that pipelines name. */
export interface OutboundRules {
  readonly allow?: HostRules | undefined;
  readonly deny?: HostRules | undefined;
}

/** Builds both clients. */
export function createOutboundClients(rules: OutboundRules = {}, lookUp?: LookUp): OutboundClients {
  return {
    team: createOutboundClient(createAddressGuard({ ...rules, loopback: false }), lookUp),
    configured: createOutboundClient(createAddressGuard({ loopback: true }), lookUp),
  };
}

/** The clients of a worker that serves steps with the capability `network`; throws where it was built without. */
export function requireOutbound(clients: OutboundClients | undefined): OutboundClients {
  if (clients !== undefined) return clients;
  throw activityFailure(
    FAILURES.unavailable,
    'This worker was built without clients for requests to elsewhere: build it with createOutboundClients.',
  );
}
