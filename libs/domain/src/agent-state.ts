/** How alive an agent is, judged by its last heartbeat. */
export type AgentState = 'online' | 'stale' | 'offline';

/** When an agent counts as stale and as offline. Seconds. */
export interface AgentSettings {
  readonly heartbeatSeconds: number;
  readonly staleSeconds: number;
  readonly offlineSeconds: number;
}

/** What holds where the configuration names nothing else. */
export const DEFAULT_AGENT_SETTINGS: AgentSettings = {
  heartbeatSeconds: 10,
  staleSeconds: 30,
  offlineSeconds: 60,
};

/**
 * The state of an agent at a moment.
 * @param lastHeartbeatAt milliseconds since the epoch; undefined when it never sent one
 * @param now milliseconds since the epoch
 */
export function agentStateAt(
  lastHeartbeatAt: number | undefined,
  now: number,
  settings: AgentSettings = DEFAULT_AGENT_SETTINGS,
): AgentState {
  if (lastHeartbeatAt === undefined) return 'offline';
  const silence = (now - lastHeartbeatAt) / 1000;
  // Asked this way round, a time that is no number counts as silence.
  if (silence < settings.staleSeconds) return 'online';
  return silence < settings.offlineSeconds ? 'stale' : 'offline';
}
