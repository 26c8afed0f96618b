/** What a second run of an activity of the interpreter's does. Steps are told apart by {@link STEP_CONSEQUENCES}. */
const CONSEQUENCES: Readonly<Record<string, string>> = {
  freezeRules: 'Answers with the rules that were frozen; new ones are not read.',
  takeLease:
    'Keeps the lease, or its place in the queue, where it still has one; else it enters the queue again.',
  yieldLease: 'Changes nothing where it was done; else the next in line gets the lease.',
  releaseLease: 'Changes nothing where it was done; else the next in line gets the lease.',
  checkPlans: 'Only reads: finds plans that went stale meanwhile.',
  reopenSteps: 'Finds its own record and changes nothing.',
  openApproval: 'Finds the request that was opened; nobody is asked twice in one round.',
  recordApproval: 'Finds the recorded decision; a decision that was given stands.',
  closeApproval: 'Finds the request closed; what people decided stands.',
  recordPromotion: 'Writes the state again where it is another one; else nothing.',
  recordStep: "Writes the step's state again where it is another one; else nothing.",
  recordSteps: 'Writes the states again where they are other ones; else nothing.',
  expandMatrix: 'Answers with the members that were found; without them it finds them now.',
  recordMembers: 'Finds what was recorded and changes nothing.',
  listBegunSteps: 'Only reads.',
  listDeployments: 'Only reads.',
  compensateStep: 'Answers with its record; without one it puts back what the step did.',
  revertTarget: "Finds its command and the agent's report; a target is not reverted twice.",
  recordRollout:
    'Finds what was recorded and changes nothing; a rollout that was further does not go back.',
  routeTraffic:
    'Sends nothing where that table is in force; else requests go there again, also where a later stage had moved them further.',
  watchStage: 'Watches the stage again for its whole time.',
  gateStage: 'Answers with the decision that was made; without one it decides now.',
  sealPromotion:
    'Finds the packet where it was sealed; else seals. An end that is no success first puts back what was done before.',
};

/** What a second run of a step does, by the type of the step. */
const STEP_CONSEQUENCES: Readonly<Record<string, string>> = {
  scan: 'Answers with its record; without one it scans again, which changes nothing.',
  gate: 'Answers with the decision that was made; without one it decides now.',
  plan: 'Answers with the plans that were made; without them it plans now.',
  deploy:
    "Finds the command that was dispatched and the agent's report: nothing is deployed twice. Without a command it deploys.",
  rollout:
    "As a deployment: finds the command that was dispatched and the agent's report. Without a command it deploys.",
  verify: "Answers with its record; without one it asks for the target's health again.",
  noop: 'Does nothing.',
};

/** Says what a second run does, in one line; an activity that is not known here is said to be so. */
export function consequenceOf(activity: string, stepType: string | undefined): string {
  const known =
    stepType === undefined ? CONSEQUENCES[activity] : (STEP_CONSEQUENCES[stepType] ?? STEP_RECORD);
  return known ?? 'Runs again; look at what it does before you reset.';
}

const STEP_RECORD = 'Answers with its effect record; without one it runs.';
