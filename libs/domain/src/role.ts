/** The roles to begin with. */
export const ROLES = ['viewer', 'release-manager', 'approver', 'admin'] as const;

/** One of {@link ROLES}. */
export type Role = (typeof ROLES)[number];

/** What can be permitted. */
export const PERMISSIONS = [
  'read',
  'release.create',
  'promotion.request',
  'promotion.cancel',
  'promotion.decide',
  'environment.rollback',
  'history.read',
  'promotion.reset',
  'estate.reconcile',
  // Pausing, resuming, skipping, aborting and promoting a rollout.
  'rollout.steer',
  // What a published version says, every promotion of the environments that take the newest one does.
  'pipeline.publish',
] as const;

/** One of {@link PERMISSIONS}. */
export type Permission = (typeof PERMISSIONS)[number];

const GRANTS: Readonly<Record<Role, readonly Permission[]>> = {
  viewer: ['read'],
  // Rolling back is narrowed further by each environment's own rule.
  'release-manager': [
    'read',
    'release.create',
    'promotion.request',
    'promotion.cancel',
    'environment.rollback',
    'history.read',
    'promotion.reset',
    'rollout.steer',
  ],
  approver: ['read', 'promotion.decide'],
  admin: PERMISSIONS,
};

/** True when the role holds the permission; everything is denied until allowed. */
export function isPermitted(role: Role, permission: Permission): boolean {
  // A role comes out of a row: one that is not known here holds nothing.
  return Object.hasOwn(GRANTS, role) && GRANTS[role].includes(permission);
}
