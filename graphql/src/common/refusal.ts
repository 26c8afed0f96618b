import { IntrinsicException } from '@nestjs/common';
import type { Permission } from '@sluice/domain';
import type { PipelineProblemView } from '../pipeline/problem.view.ts';

/** A member of a mutation's result union that says no; see `Refusal` in the schema. */
export type RefusalMember =
  | {
      readonly __typename: 'InvalidInput';
      readonly code: string;
      readonly message: string;
      readonly field: string | null;
    }
  | {
      readonly __typename: 'NotPermitted';
      readonly code: string;
      readonly message: string;
      readonly permission: Permission;
    }
  | {
      readonly __typename: 'PipelineInvalid';
      readonly code: string;
      readonly message: string;
      readonly problems: readonly PipelineProblemView[];
      readonly problemCount: number;
    }
  | {
      readonly __typename: 'PipelineVersionTaken';
      readonly code: string;
      readonly message: string;
      readonly publishedDigest: string;
    }
  | {
      readonly __typename:
        | 'NotFound'
        | 'IdempotencyConflict'
        | 'StateConflict'
        | 'ApprovalRefused'
        | 'SteerRefused'
        | 'EngineUnavailable';
      readonly code: string;
      readonly message: string;
    };

/**
 * Carries a refusal out of a pipe or a service. The root field's guard turns it into the union member
 * of a mutation, or into a `BAD_USER_INPUT` error of a query.
 */
export class RefusalException extends IntrinsicException {
  readonly code = 'refusal';
  readonly refusal: RefusalMember;

  constructor(refusal: RefusalMember) {
    super(refusal.message);
    this.name = 'RefusalException';
    this.refusal = refusal;
  }
}

/** The refusal in an error, or undefined when it carries none. */
export function refusalOf(error: unknown): RefusalMember | undefined {
  return error instanceof Error && error.name === 'RefusalException'
    ? (error as RefusalException).refusal
    : undefined;
}

/** The input breaks a rule of its form. `field` names the input field, null where none is to blame. */
export function invalidInput(field: string | null, message: string): RefusalException {
  return new RefusalException({
    __typename: 'InvalidInput',
    code: 'invalid-input',
    message,
    field,
  });
}

/** What the request names is not there for this principal. */
export function notFound(code: string, message: string): RefusalException {
  return new RefusalException({ __typename: 'NotFound', code, message });
}

/** The thing's state does not allow this. */
export function stateConflict(code: string, message: string): RefusalException {
  return new RefusalException({ __typename: 'StateConflict', code, message });
}

/** The decision does not count; the code is one of the domain's `APPROVAL_REFUSALS`. */
export function approvalRefused(code: string, message: string): RefusalException {
  return new RefusalException({ __typename: 'ApprovalRefused', code, message });
}

/** The rollout does not take it; the code is one of the domain's `admitSteer`. */
export function steerRefused(code: string, message: string): RefusalException {
  return new RefusalException({ __typename: 'SteerRefused', code, message });
}

/** The engine or its worker did not answer in time. */
export function engineUnavailable(code: string, message: string): RefusalException {
  return new RefusalException({ __typename: 'EngineUnavailable', code, message });
}

/** The key was used before with another payload. */
export function idempotencyConflict(operation: string): RefusalException {
  return new RefusalException({
    __typename: 'IdempotencyConflict',
    code: 'idempotency-conflict',
    message: `This idempotencyKey came with another ${operation} input before; use a new key for a new request.`,
  });
}

/**
 * The principal's role does not hold the permission.
 * @param message says why where it holds the permission, and something narrower forbids it
 */
export function notPermitted(
  principal: string,
  permission: Permission,
  message = `${principal} does not hold the permission ${permission}; ask an administrator for a role that has it.`,
): RefusalException {
  return new RefusalException({
    __typename: 'NotPermitted',
    code: 'not-permitted',
    message,
    permission,
  });
}
