import { expect, test } from '@jest/globals';
import { DomainError } from './domain-error.ts';
import { isPermitted, PERMISSIONS, ROLES, type Role } from './role.ts';
import { traceIdOf } from './trace-context.ts';

/** Every role and permission, written out: a grant more or less is a change here. */
const GRANTED: Readonly<Record<Role, readonly string[]>> = {
  viewer: ['read'],
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
  admin: [
    'read',
    'release.create',
    'promotion.request',
    'promotion.cancel',
    'promotion.decide',
    'environment.rollback',
    'history.read',
    'promotion.reset',
    'estate.reconcile',
    'rollout.steer',
    'pipeline.publish',
  ],
};

test.each(ROLES)('what the role %s permits', (role) => {
  expect(PERMISSIONS.filter((permission) => isPermitted(role, permission))).toEqual(GRANTED[role]);
});

test.each(['', 'root', 'constructor', '__proto__', 'toString'])(
  'the unknown role "%s" permits nothing',
  (role) => {
    for (const permission of PERMISSIONS) expect(isPermitted(role as Role, permission)).toBe(false);
  },
);

test.each([
  ['00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', '0af7651916cd43dd8448eb211c80319c'],
  ['00-00000000000000000000000000000000-b7ad6b7169203331-01', undefined],
  ['01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', undefined],
  ['00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01', undefined],
  ['00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\n', undefined],
  ['', undefined],
])('the trace id of %j', (traceparent, id) => {
  expect(traceIdOf(traceparent)).toBe(id);
});

test('a domain error is known by its name and code', () => {
  const error = new DomainError('some-code', 'what happened');
  expect(error).toMatchObject({ name: 'DomainError', code: 'some-code', message: 'what happened' });
});
