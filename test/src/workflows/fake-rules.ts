import type { ApprovalRule, Pipeline } from '@sluice/domain';
import {
  APPROVED_PIPELINE,
  DEFAULT_DEADLINES,
  PIPELINE_SCHEMA,
  ROLLBACK_PIPELINE,
  STANDARD_PIPELINE,
} from '@sluice/domain';
import { digestOf } from '@sluice/pure';
import type { FrozenRules } from '@sluice/temporal-contract';

/** The person who asks for every promotion of a test. */
export const REQUESTER = { principalId: 'mia', personId: 'mia' };

/** Rules as the control plane freezes them now, with what a test changes. */
export function composeRules(changes: Partial<FrozenRules> = {}): FrozenRules {
  return withDigest({
    ...unformedRules(changes.pipeline ?? STANDARD_PIPELINE),
    form: 2,
    kind: 'promote',
    approval: null,
    predecessors: [],
    requester: REQUESTER,
    ...changes,
  });
}

/** Rules of an environment that asks one admin or approver, or what a test asks for. */
export function composeApprovedRules(
  rule: Partial<ApprovalRule> = {},
  changes: Partial<FrozenRules> = {},
): FrozenRules {
  const approval: ApprovalRule = {
    count: 1,
    roles: ['admin', 'approver'],
    deadlineSeconds: 600,
    ...rule,
  };
  return composeRules({ pipeline: APPROVED_PIPELINE, approval, ...changes });
}

/** Rules of a rollback. */
export function composeRollbackRules(changes: Partial<FrozenRules> = {}): FrozenRules {
  return composeRules({ kind: 'rollback', pipeline: ROLLBACK_PIPELINE, ...changes });
}

/** The standard pipeline before planning was a step of its own. */
export const FIRST_STANDARD_PIPELINE: Pipeline = {
  schema: PIPELINE_SCHEMA,
  name: 'standard',
  version: 1,
  steps: [
    { id: 'scan', type: 'scan@1', needs: [], inputs: {} },
    { id: 'gate', type: 'gate@1', needs: ['scan'], inputs: {} },
    { id: 'deploy', type: 'deploy@1', needs: ['gate'], inputs: {} },
    { id: 'verify', type: 'verify@1', needs: ['deploy'], inputs: {} },
  ],
};

/** Rules in their first form, as promotions that began before plans and approvals were steps hold to them. */
export function composeFirstRules(changes: Partial<FrozenRules> = {}): FrozenRules {
  return withDigest({
    ...unformedRules(changes.pipeline ?? FIRST_STANDARD_PIPELINE),
    ...changes,
  });
}

function unformedRules(pipeline: Pipeline): Omit<FrozenRules, 'rulesDigest'> {
  return {
    releaseDigest: digestOf('release'),
    pipeline,
    pipelineDigest: digestOf(pipeline),
    policyDigest: digestOf('policy'),
    targets: ['host-1', 'host-2'],
    deadlines: DEFAULT_DEADLINES,
  };
}

function withDigest(rules: Omit<FrozenRules, 'rulesDigest'>): FrozenRules {
  const { rulesDigest: _before, ...content } = rules as FrozenRules;
  return { ...content, rulesDigest: digestOf(content) };
}
