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
] as const;

/** One of {@link PERMISSIONS}. */
export type Permission = (typeof PERMISSIONS)[number];

const GRANTS: Readonly<Record<Role, readonly Permission[]>> = {
  viewer: ['read'],
  'release-manager': ['read', 'release.create', 'promotion.request', 'promotion.cancel'],
  approver: ['read'],
  admin: PERMISSIONS,
};

/** True when the role holds the permission; everything is denied until allowed. */
export function isPermitted(role: Role, permission: Permission): boolean {
  // A role comes out of a row: one that is not known here holds nothing.
  return Object.hasOwn(GRANTS, role) && GRANTS[role].includes(permission);
}
