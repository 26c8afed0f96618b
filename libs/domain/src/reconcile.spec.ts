import { describe, expect, test } from '@jest/globals';
import { DISCREPANCY_RULES, type DiscrepancyCode } from './discrepancy.ts';
import { findDiscrepancies } from './reconcile.ts';
import type { ReconcileFacts, WorkflowFact } from './reconcile-facts.ts';

const NOW = '2026-11-21T12:00:00.000000Z';
const running: WorkflowFact = { state: 'running', closedAt: null };
const unknown: WorkflowFact = { state: 'unknown', closedAt: null };
const closed = (seconds = 600): WorkflowFact => ({ state: 'closed', closedAt: ago(seconds) });

function ago(seconds: number): string {
  return new Date(Date.parse(NOW) - seconds * 1000).toISOString();
}

const NOTHING: ReconcileFacts = {
  now: NOW,
  workflows: new Map(),
  pendingStarts: new Set(),
  promotions: [],
  endedHolders: [],
  releaseRequests: [],
  unarchived: [],
  emptyArchives: [],
  histories: [],
  stuck: [],
  targets: [],
  unsettledDeployments: [],
  messages: [],
};

const dev1 = {
  promotionId: 'dev/1',
  workflowId: 'promotion/acme/dev/1',
  settlementId: 'settlement/acme/dev/1',
};
const open = {
  ...dev1,
  state: 'running',
  requestedAt: ago(600),
  endedAt: null,
  isSealed: false,
};
const ended = { ...open, state: 'succeeded', endedAt: ago(300), isSealed: true };
const request = { requestId: 'r1', workflowId: 'release-request/acme/r1', createdAt: ago(600) };
const unarchived = {
  workflowId: dev1.workflowId,
  lostAt: null,
  awaitsPacket: false,
  promotionEndedAt: ago(600),
};
const unsealed = { ...unarchived, awaitsPacket: true, promotionEndedAt: null };
const history = {
  workflowId: dev1.workflowId,
  runId: 'run-1',
  archiveDigest: 'sha256:a',
  error: null,
};
const target = {
  target: 'dev-1',
  recorded: 'sha256:a',
  quietSince: ago(600),
  told: 'sha256:b',
  toldAt: ago(1),
  isBusy: false,
};
const message = {
  messageId: 7,
  kind: 'start-workflow',
  workflowId: dev1.workflowId,
  createdAt: ago(61),
  attempts: 9,
  lastError: 'away',
};
const of = (workflow: WorkflowFact, settlement: WorkflowFact = unknown) =>
  new Map([
    [dev1.workflowId, workflow],
    [dev1.settlementId, settlement],
    [request.workflowId, workflow],
  ]);

/** Facts in which exactly this disagrees, its subject, and facts that are near it and right. */
const CASES: Readonly<
  Record<
    DiscrepancyCode,
    {
      readonly wrong: readonly Partial<ReconcileFacts>[];
      readonly subject: string;
      readonly right: Readonly<Record<string, Partial<ReconcileFacts>>>;
    }
  >
> = {
  'promotion-abandoned': {
    wrong: [
      { promotions: [open], workflows: of(closed()) },
      { promotions: [open], workflows: of(unknown) },
      { promotions: [open], workflows: of(closed(), closed()) },
    ],
    subject: 'promotion:dev/1',
    right: {
      'its workflow runs': { promotions: [open], workflows: of(running) },
      'a settlement runs': { promotions: [open], workflows: of(closed(), running) },
      'its start is on its way': {
        promotions: [open],
        workflows: of(unknown),
        pendingStarts: new Set([dev1.workflowId]),
      },
      'its settlement is on its way': {
        promotions: [open],
        workflows: of(closed()),
        pendingStarts: new Set([dev1.settlementId]),
      },
      'it is young': {
        promotions: [{ ...open, requestedAt: ago(4) }],
        workflows: of(unknown),
      },
      'the engine was not asked': { promotions: [open] },
      'it has ended': { promotions: [ended], workflows: of(closed()) },
    },
  },
  'lease-of-ended': {
    wrong: [
      { endedHolders: [{ ...dev1, resource: 'environment:dev' }], workflows: of(closed()) },
      {
        endedHolders: [
          { ...dev1, resource: 'environment:dev' },
          { ...dev1, resource: 'environment:prod' },
        ],
        workflows: of(closed()),
      },
    ],
    subject: 'promotion:dev/1',
    right: {
      'its workflow still gives it back': {
        endedHolders: [{ ...dev1, resource: 'environment:dev' }],
        workflows: of(running),
      },
      'a settlement gives it back': {
        endedHolders: [{ ...dev1, resource: 'environment:dev' }],
        workflows: of(closed(), running),
      },
      'the engine was not asked': { endedHolders: [{ ...dev1, resource: 'environment:dev' }] },
    },
  },
  'workflow-outlives-promotion': {
    wrong: [{ promotions: [ended], workflows: of(running) }],
    subject: 'workflow:promotion/acme/dev/1',
    right: {
      'it has just ended': {
        promotions: [{ ...ended, endedAt: ago(119) }],
        workflows: of(running),
      },
      'it is not sealed': {
        promotions: [{ ...ended, isSealed: false }],
        workflows: of(running),
      },
    },
  },
  'release-request-abandoned': {
    wrong: [
      { releaseRequests: [request], workflows: of(closed()) },
      { releaseRequests: [request], workflows: of(unknown) },
    ],
    subject: 'release-request:r1',
    right: {
      'its workflow runs': { releaseRequests: [request], workflows: of(running) },
      'its start is on its way': {
        releaseRequests: [request],
        workflows: of(unknown),
        pendingStarts: new Set([request.workflowId]),
      },
      'it is young': {
        releaseRequests: [{ ...request, createdAt: ago(3) }],
        workflows: of(unknown),
      },
      'the engine was not asked': { releaseRequests: [request] },
    },
  },
  'history-missing': {
    wrong: [
      { unarchived: [unarchived], workflows: of(closed(121)) },
      { unarchived: [unsealed], workflows: of(closed(20 * 3600 + 121)) },
      {
        unarchived: [{ ...unsealed, promotionEndedAt: ago(3721) }],
        workflows: of(closed(7200)),
      },
      { emptyArchives: [{ workflowId: dev1.workflowId, archivedAt: ago(1) }] },
    ],
    subject: 'workflow:promotion/acme/dev/1',
    right: {
      'it has just closed': { unarchived: [unarchived], workflows: of(closed(119)) },
      'it runs': { unarchived: [unarchived], workflows: of(running) },
      'its promotion is open: it waits for the packet': {
        unarchived: [unsealed],
        workflows: of(closed(20 * 3600 + 119)),
      },
      'its promotion has just ended, and is sealed next': {
        unarchived: [{ ...unsealed, promotionEndedAt: ago(3719) }],
        workflows: of(closed(7200)),
      },
      'a settlement has just ended and sealed it': {
        unarchived: [{ ...unarchived, promotionEndedAt: ago(119) }],
        workflows: of(closed(7200)),
      },
      'it is reset': {
        unarchived: [unarchived],
        workflows: of(closed()),
        pendingStarts: new Set([dev1.workflowId]),
      },
    },
  },
  'history-lost': {
    wrong: [{ unarchived: [{ ...unarchived, lostAt: ago(60) }], workflows: of(closed()) }],
    subject: 'workflow:promotion/acme/dev/1',
    right: { 'that was long ago': { unarchived: [{ ...unarchived, lostAt: ago(31 * 86_400) }] } },
  },
  'history-damaged': {
    wrong: [
      { histories: [{ ...history, file: 'missing' }] },
      { histories: [{ ...history, file: 'damaged' }] },
      { histories: [{ ...history, file: 'unreadable', error: 'EIO' }] },
    ],
    subject: 'workflow:promotion/acme/dev/1/run-1',
    right: { 'it is there': { histories: [{ ...history, file: 'there' }] } },
  },
  'workflow-stuck': {
    wrong: [{ stuck: [{ workflowId: dev1.workflowId, code: 'no-worker', message: 'nobody' }] }],
    subject: 'workflow:promotion/acme/dev/1',
    right: {},
  },
  'target-differs': {
    wrong: [
      { targets: [target] },
      { targets: [{ ...target, told: null }] },
      { targets: [{ ...target, recorded: null, quietSince: null }] },
    ],
    subject: 'target:dev-1',
    right: {
      'both say the same': { targets: [{ ...target, told: 'sha256:a' }] },
      'a promotion works there': { targets: [{ ...target, isBusy: true }] },
      'its agent never said anything': { targets: [{ ...target, told: null, toldAt: null }] },
      'its agent spoke before the change': {
        targets: [{ ...target, quietSince: ago(5), toldAt: ago(2) }],
      },
    },
  },
  'deployment-lost': {
    wrong: [{ unsettledDeployments: [{ promotionId: 'dev/1', target: 'dev-1' }] }],
    subject: 'target:dev-1',
    right: {},
  },
  'message-undelivered': {
    wrong: [{ messages: [message] }],
    subject: 'message:7',
    right: { 'it is young': { messages: [{ ...message, createdAt: ago(59) }] } },
  },
};

test('where all agree there is nothing', () => {
  expect(findDiscrepancies(NOTHING)).toEqual([]);
});

test('every rule has a case here', () => {
  expect(Object.keys(CASES)).toEqual(Object.keys(DISCREPANCY_RULES));
});

describe.each(Object.entries(CASES))('%s', (code, { wrong, subject, right }) => {
  test.each(wrong)('is found once, with its subject and a line for people (%#)', (facts) => {
    const found = findDiscrepancies({ ...NOTHING, ...facts });
    expect(found).toEqual([
      {
        code,
        subject,
        message: expect.stringMatching(/^[^\n]+$/),
        detail: expect.any(Object),
      },
    ]);
    expect(findDiscrepancies({ ...NOTHING, ...facts })).toEqual(found);
  });

  for (const [what, facts] of Object.entries(right)) {
    test(`is not found where ${what}`, () => {
      expect(findDiscrepancies({ ...NOTHING, ...facts })).toEqual([]);
    });
  }
});

test('a settlement that outlives its promotion is named by its own id', () => {
  const facts = { ...NOTHING, promotions: [ended], workflows: of(closed(1), running) };
  expect(findDiscrepancies(facts).map(({ subject }) => subject)).toEqual([
    'workflow:settlement/acme/dev/1',
  ]);
});
