import { type AgentSettings, agentStateAt } from '@sluice/domain';
import type { AgentRecord } from '@sluice/persistence';
import { enumName } from '../common/enum-name.ts';

/** Shows an agent as it is at a moment (milliseconds since the epoch); a revoked one is offline. */
export function agentView(record: AgentRecord, now: number, settings: AgentSettings) {
  const { keyId, version, enrolledAt, lastHeartbeatAt, revokedAt } = record;
  const heartbeat = lastHeartbeatAt === null ? undefined : Date.parse(lastHeartbeatAt);
  const state = revokedAt === null ? agentStateAt(heartbeat, now, settings) : 'offline';
  return { keyId, state: enumName(state), version, enrolledAt, lastHeartbeatAt };
}
