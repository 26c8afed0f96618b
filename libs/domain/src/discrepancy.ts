/** What is done about a discrepancy: mended by itself, or shown to people, who may ask for the repair where there is one. */
export type DiscrepancyAction = 'repair' | 'raise';

/** What a rule says of one kind of discrepancy. */
export interface DiscrepancyRule {
  /** Without a word of any person. */
  readonly action: DiscrepancyAction;
  /** True when the watchdog has a repair for it, by itself or when asked. */
  readonly repairable: boolean;
  /** What the repair does, or what a person should do. */
  readonly remedy: string;
}

/** Where workflows, records, agents and archive can disagree. Codes are stable. */
export const DISCREPANCY_RULES = {
  /** Not ended in the records; its workflow is over or forgotten. */
  'promotion-abandoned': {
    action: 'repair',
    repairable: true,
    remedy: 'A settlement ends and seals it.',
  },
  /** A lease, or a place in its queue, of a promotion that has ended. */
  'lease-of-ended': {
    action: 'repair',
    repairable: true,
    remedy: 'The lease goes to the next in line.',
  },
  /** Ended and sealed in the records for a while; its workflow still runs. */
  'workflow-outlives-promotion': {
    action: 'raise',
    repairable: true,
    remedy: 'Its workflow is terminated: there is nothing left for it to do.',
  },
  /** A release request that resolves for ever: its workflow is over or forgotten. */
  'release-request-abandoned': {
    action: 'repair',
    repairable: true,
    remedy: 'The request is refused; ask for the release again.',
  },
  /** A closed workflow without an archived history for a while, or one that is marked as archived and is not. */
  'history-missing': {
    action: 'repair',
    repairable: true,
    remedy: 'The archiver looks at it again at once.',
  },
  /** The engine forgot a workflow before it was archived. */
  'history-lost': {
    action: 'raise',
    repairable: false,
    remedy:
      'Restore the engine from a backup, or accept the loss; look why the archiver was behind.',
  },
  /** A row names a history whose file is not in the evidence store, is another, or cannot be read. */
  'history-damaged': {
    action: 'raise',
    repairable: false,
    remedy: 'Restore the file from a backup of the evidence store, or the right to read it.',
  },
  /** A workflow that does not go on (see its problem). */
  'workflow-stuck': {
    action: 'raise',
    repairable: false,
    remedy: 'sluice promotion show names the cause and the ways out.',
  },
  /** An agent says that something else runs than what the records say. */
  'target-differs': {
    action: 'raise',
    repairable: false,
    remedy: 'Promote the release again, or roll the environment back.',
  },
  /** A deployment of a promotion that has ended, whose agent never told its end. */
  'deployment-lost': {
    action: 'raise',
    repairable: false,
    remedy: 'Look at the target; then promote again or roll back.',
  },
  /** A message to the engine that could not be delivered for a while. */
  'message-undelivered': {
    action: 'raise',
    repairable: false,
    remedy: 'Look at the relay and the engine; it is tried on and on.',
  },
} as const satisfies Readonly<Record<string, DiscrepancyRule>>;

/** One kind of {@link DISCREPANCY_RULES}. */
export type DiscrepancyCode = keyof typeof DISCREPANCY_RULES;

/** Two parts of the system that disagree about one thing. */
export interface Discrepancy {
  readonly code: DiscrepancyCode;
  /** `promotion:dev/1`, `workflow:promotion/acme/dev/1`, `target:dev-1`, `release-request:…`, `message:<id>`. */
  readonly subject: string;
  /** What each side says; one line. */
  readonly message: string;
  /** Small, without secrets. */
  readonly detail: Readonly<Record<string, unknown>>;
}

/** Its id: `<code>:<subject>`. */
export function discrepancyId({ code, subject }: Pick<Discrepancy, 'code' | 'subject'>): string {
  return `${code}:${subject}`;
}
