import type { Component } from './component.ts';
import type { RouteTable } from './route-table.ts';
import type { HealthProbe, SettingValue } from './target.ts';

/** The schema tag of what travels beside a command, named by its digest in the command. */
export const PAYLOAD_SCHEMA = 'sluice.command-payload/v1';

/** One blob that a component consists of. */
export interface BlobDescriptor {
  readonly mediaType: string;
  readonly digest: string;
  /** Bytes. */
  readonly size: number;
}

/** What the agent needs to put a release there; all content is fetched by digest. */
export interface CommandPayload {
  readonly schema: typeof PAYLOAD_SCHEMA;
  readonly environment: string;
  /** Null empties the target. */
  readonly desired: {
    readonly release: { readonly digest: string; readonly name: string; readonly version: string };
    readonly components: readonly (Component & { readonly manifest: BlobDescriptor })[];
    readonly settings: Readonly<Record<string, SettingValue>>;
  } | null;
  /**
   * What the plan found on the target; the agent refuses with `plan-stale` when something else is active there. Null
   * expects an empty target. Absent: whatever is there is replaced (reverts, rollbacks).
   */
  readonly expects?: {
    readonly release: string;
    /** SHA-256 of the canonical settings, references unresolved. */
    readonly settingsDigest: string;
  } | null;
  readonly health: HealthProbe;
  /** W3C trace context of the promotion, so that the agent's log lines carry its trace id. */
  readonly traceparent: string;
}

/** The schema tag of what travels beside a command of kind `route`. */
export const ROUTE_PAYLOAD_SCHEMA = 'sluice.route-payload/v1';

/** What a router's agent needs to change where requests go. */
export interface RoutePayload {
  readonly schema: typeof ROUTE_PAYLOAD_SCHEMA;
  readonly environment: string;
  /** The router's name: that of the command's target. */
  readonly router: string;
  /** Its digest is the command's `planDigest`. */
  readonly table: RouteTable;
  /**
   * Digest of the table that is in force by the records; the agent refuses with `route-stale` when the proxy serves another. Null expects
   * none of Sluice's. Absent: whatever is in force is replaced (putting back).
   */
  readonly expects?: string | null;
  /** W3C trace context of the promotion. */
  readonly traceparent: string;
}
