/** Types whose execution of one target puts a release there by an agent's command. */
const DEPLOYMENTS: ReadonlySet<string> = new Set(['deploy', 'rollout']);

/**
 * True for a step that puts a release on targets, by agents: `deploy` and `rollout`, of any version.
 * @param type with its version or without: `deploy@1`, `deploy`
 */
export function isDeployment(type: string): boolean {
  return DEPLOYMENTS.has(nameOf(type));
}

/** True for a deployment with a strategy, of any version. */
export function isRollout(type: string): boolean {
  return nameOf(type) === 'rollout';
}

function nameOf(type: string): string {
  return type.split('@', 1)[0] ?? '';
}
