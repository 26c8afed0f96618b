import type { WorkflowEdit } from '../workflows/variants.ts';

/** What may be changed in the way of a running promotion. */
export type EditKind = 'added' | 'removed' | 'reordered' | 'renamed' | 'input or timer';

/** One change of the workflows' code, and who sees it when recorded histories are replayed. */
export interface CatalogedEdit {
  readonly kind: EditKind;
  /** What was changed, as the documentation has it. */
  readonly what: string;
  readonly edits: readonly WorkflowEdit[];
  /** `replay`: plain replay sees it; `inputs`: only its comparison of inputs, timers and results does; `nobody`: neither. */
  readonly caughtBy: 'replay' | 'inputs' | 'nobody';
  /** A recorded history that shows it; for what nobody sees, one that goes the changed way. */
  readonly history: string;
  /** Why plain replay does not see it. */
  readonly why?: string;
}

const sealingAndRelease = `  const sealed = seal(run, settled);
  await releaseLeaseAfter(run, settled, sealed);
`;

const NOT_COMPARED = 'replay compares the type of an activity, not what it is given';

/** The five kinds of edit. */
export const EDITS: readonly CatalogedEdit[] = [
  {
    kind: 'added',
    what: 'an activity is called once more',
    edits: [
      {
        file: 'promote-release.workflow.ts',
        from: '      assertPipeline(rules.pipeline);\n',
        to: "      assertPipeline(rules.pipeline);\n      await run.enterState('running');\n",
      },
    ],
    caughtBy: 'replay',
    history: 'promotion-succeeded-planned',
  },
  {
    kind: 'added',
    what: 'a pause before the lease is asked for',
    edits: [
      {
        file: 'lease-wait.ts',
        from: '  if (run.fencingToken !== null) return null;\n',
        to: '  if (run.fencingToken !== null) return null;\n  await condition(() => false, 1000);\n',
      },
    ],
    caughtBy: 'replay',
    history: 'promotion-succeeded-planned',
  },
  {
    kind: 'added',
    what: 'a record that nothing waits for, right before the end',
    edits: [
      {
        file: 'seal-epilogue.ts',
        from: '  run.showState(result.state);\n',
        to: '  run.showState(result.state);\n  void records.listDeployments({ promotion: run.input.promotion });\n',
      },
    ],
    caughtBy: 'replay',
    history: 'promotion-succeeded-planned',
  },
  {
    kind: 'added',
    what: 'a search attribute is written once more',
    edits: [
      {
        file: 'promote-release.workflow.ts',
        from: '  run.announce();\n',
        to: '  run.announce();\n  run.announce();\n',
      },
    ],
    caughtBy: 'replay',
    history: 'promotion-succeeded-planned',
  },
  {
    kind: 'added',
    what: 'a record on a way that no recorded history went',
    edits: [
      {
        file: 'replan.ts',
        from: '  if (run.round < MAX_ROUNDS) return null;\n',
        to: "  if (run.round < MAX_ROUNDS) return null;\n  void run.enterState('running');\n",
      },
    ],
    caughtBy: 'nobody',
    history: 'promotion-succeeded-two-rounds',
    why: 'replay proves the ways that the given histories went, and no other: export those that wait and fail, too',
  },
  {
    kind: 'removed',
    what: 'the lease is not given back',
    edits: [
      {
        file: 'seal-epilogue.ts',
        from: '    await records.releaseLease({ promotion, resource: environmentLease(environment) });\n',
        to: '    void [records, promotion, environmentLease, environment];\n',
      },
    ],
    caughtBy: 'replay',
    history: 'promotion-succeeded-planned',
  },
  {
    kind: 'removed',
    what: 'the deadline of the whole promotion is not armed',
    edits: [
      {
        file: 'promote-release.workflow.ts',
        from: '  run.clock.start();\n',
        to: '  void run.clock;\n',
      },
    ],
    caughtBy: 'replay',
    history: 'promotion-succeeded-planned',
  },
  {
    kind: 'removed',
    what: 'a signal is not listened to any more',
    edits: [
      {
        file: 'promote-release.workflow.ts',
        from: 'run.targetChanges += 1;',
        to: 'run.targetChanges += 0;',
      },
    ],
    caughtBy: 'replay',
    history: 'promotion-succeeded-two-rounds',
  },
  {
    kind: 'removed',
    what: 'the query is not answered any more',
    edits: [
      {
        file: 'promote-release.workflow.ts',
        from: '  setHandler(promotionStatus, () => run.status());\n',
        to: '  void promotionStatus;\n',
      },
    ],
    caughtBy: 'nobody',
    history: 'promotion-succeeded-planned',
    why: 'queries leave no trace in a history',
  },
  {
    kind: 'reordered',
    what: 'the lease is given back before the end is sealed',
    edits: [
      {
        file: 'seal-epilogue.ts',
        from: sealingAndRelease,
        to: '  await releaseLeaseAfter(run, settled, Promise.resolve());\n  const sealed = seal(run, settled);\n',
      },
    ],
    caughtBy: 'replay',
    history: 'promotion-succeeded-planned',
  },
  {
    kind: 'reordered',
    what: 'targets are deployed to in another order',
    edits: [
      {
        file: 'step-execution.ts',
        from: 'mapBounded(rules.targets, MAX_IN_FLIGHT',
        to: 'mapBounded([...rules.targets].reverse(), MAX_IN_FLIGHT',
      },
    ],
    caughtBy: 'inputs',
    history: 'promotion-succeeded-planned',
    why: `all steps are the one activity executeStep, and ${NOT_COMPARED}`,
  },
  {
    kind: 'renamed',
    what: 'an activity',
    edits: [
      {
        file: 'activity-classes.ts',
        from: '> = proxyActivities<InterpreterActivities>(control);\n',
        to: `> = new Proxy(proxyActivities<InterpreterActivities>(control), {
  get: (activities, name) => Reflect.get(activities, name === 'releaseLease' ? 'freeLease' : name),
});
`,
      },
    ],
    caughtBy: 'replay',
    history: 'promotion-succeeded-planned',
  },
  {
    kind: 'renamed',
    what: 'a signal',
    edits: [
      {
        file: 'promote-release.workflow.ts',
        from: 'defineSignal<[TargetsChangedSignal]>(PROMOTION_MESSAGES.targetsChanged)',
        to: "defineSignal<[TargetsChangedSignal]>('targetsMoved')",
      },
    ],
    caughtBy: 'replay',
    history: 'promotion-succeeded-two-rounds',
  },
  {
    kind: 'renamed',
    what: 'the Update',
    edits: [
      {
        file: 'approval-update.ts',
        from: '  PROMOTION_MESSAGES.decideApproval,\n',
        to: "  PROMOTION_MESSAGES.decideApproval + '2',\n",
      },
    ],
    caughtBy: 'replay',
    history: 'promotion-succeeded-approved',
  },
  {
    kind: 'renamed',
    what: 'the workflow',
    edits: [
      {
        file: 'index.ts',
        from: 'export { promoteRelease }',
        to: 'export { promoteRelease as promote }',
      },
    ],
    caughtBy: 'replay',
    history: 'promotion-succeeded-planned',
  },
  {
    kind: 'renamed',
    what: 'a step, as its activity is told',
    edits: [
      {
        file: 'step-execution.ts',
        from: '    stepId: step.id,\n    ...(run.round',
        to: "    stepId: step.id + '-step',\n    ...(run.round",
      },
    ],
    caughtBy: 'inputs',
    history: 'promotion-succeeded-planned',
    why: NOT_COMPARED,
  },
  {
    kind: 'input or timer',
    what: 'the name of a digest that steps are given',
    edits: [
      {
        file: 'step-execution.ts',
        from: '    release: rules.releaseDigest,\n',
        to: '    releaseDigest: rules.releaseDigest,\n',
      },
    ],
    caughtBy: 'inputs',
    history: 'promotion-succeeded-planned',
    why: NOT_COMPARED,
  },
  {
    kind: 'input or timer',
    what: 'the lease that is asked for',
    edits: [
      {
        file: 'lease-wait.ts',
        from: '      resource: environmentLease(environment),\n',
        to: "      resource: environmentLease(environment + '-2'),\n",
      },
    ],
    caughtBy: 'inputs',
    history: 'promotion-succeeded-planned',
    why: NOT_COMPARED,
  },
  {
    kind: 'input or timer',
    what: 'how long a timer runs',
    edits: [
      {
        file: 'approval-wait.ts',
        from: 'run.targetChanges > changesSeen, remaining);',
        to: 'run.targetChanges > changesSeen, remaining / 2);',
      },
    ],
    caughtBy: 'inputs',
    history: 'promotion-succeeded-approved',
    why: 'a timer is known by its number; one that runs keeps the duration that it was started with',
  },
  {
    kind: 'input or timer',
    what: 'a timer that is not started any more',
    edits: [
      {
        file: 'approval-wait.ts',
        from: 'run.targetChanges > changesSeen, remaining);',
        to: 'run.targetChanges > changesSeen);',
      },
    ],
    caughtBy: 'replay',
    history: 'promotion-succeeded-approved',
  },
  {
    kind: 'input or timer',
    what: "an activity's timeouts and retries",
    edits: [
      {
        file: 'activity-classes.ts',
        from: "const ATTEMPT = '20s';",
        to: "const ATTEMPT = '40s';",
      },
    ],
    caughtBy: 'nobody',
    history: 'promotion-succeeded-planned',
    why: 'they are no part of what is compared; an activity that runs keeps those that it was scheduled with',
  },
  {
    kind: 'input or timer',
    what: 'what the workflow returns',
    edits: [
      {
        file: 'seal-epilogue.ts',
        from: '      state: ended?.state ?? state,\n',
        to: "      state: ended?.state ?? ((state + '-2') as typeof state),\n",
      },
    ],
    caughtBy: 'inputs',
    history: 'promotion-succeeded-planned',
    why: 'that it ended is compared, not with what',
  },
];
