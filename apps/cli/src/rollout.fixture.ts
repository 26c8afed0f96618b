import type { MemberCountsView } from './operations.ts';
import type {
  PromotionRolloutsView,
  RolloutStageView,
  RolloutView,
  RouterView,
} from './rollout-operations.ts';

const NONE: MemberCountsView = {
  total: 0,
  pending: 0,
  running: 0,
  succeeded: 0,
  denied: 0,
  failed: 0,
  skipped: 0,
  cancelled: 0,
  reverted: 0,
};

/** How many members are in each state. */
export function counts(of: Partial<Omit<MemberCountsView, 'total'>>): MemberCountsView {
  return { ...NONE, ...of, total: Object.values(of).reduce((sum, count) => sum + count, 0) };
}

/** A stage of one target that has not begun. */
export function stage(index: number, change: Partial<RolloutStageView> = {}): RolloutStageView {
  return {
    index,
    name: `wave-${index + 1}`,
    state: 'PENDING',
    canaryPermille: null,
    soakSeconds: 60,
    analysed: true,
    gated: false,
    pauses: false,
    memberCounts: counts({ pending: 1 }),
    targets: [{ name: `host-${index + 1}`, state: 'PENDING', reason: null }],
    analysis: null,
    ...change,
  };
}

/** A canary over four targets in its second of three stages, moved by a proxy, paused and resumed once. */
export function rollout(change: Partial<RolloutView> = {}): RolloutView {
  return {
    id: 'production/3#1/roll',
    step: 'roll',
    round: 1,
    strategy: 'CANARY',
    state: 'RUNNING',
    stage: 1,
    phase: 'SOAK',
    startedAt: '2026-11-21T11:55:55.000Z',
    changedAt: '2026-11-21T11:59:00.000Z',
    endedAt: null,
    pausedUntil: null,
    reason: null,
    router: { name: 'production-proxy', kind: 'HAPROXY', route: { canaryPermille: 255 } },
    stages: [
      stage(0, {
        name: 'few',
        state: 'HELD',
        canaryPermille: 50,
        memberCounts: counts({ succeeded: 1 }),
        targets: [{ name: 'host-1', state: 'SUCCEEDED', reason: null }],
        analysis: {
          outcome: 'PASS',
          score: 97.6,
          reason: null,
          documentDigest: `sha256:${'a'.repeat(64)}`,
          startedAt: '2026-11-21T11:56:00.000Z',
          endedAt: '2026-11-21T11:57:00.000Z',
        },
      }),
      stage(1, {
        name: 'half',
        state: 'RUNNING',
        canaryPermille: 255,
        soakSeconds: 600,
        gated: true,
        memberCounts: counts({ succeeded: 1 }),
        targets: [{ name: 'host-2', state: 'SUCCEEDED', reason: null }],
      }),
      stage(2, {
        name: 'all',
        canaryPermille: 1000,
        soakSeconds: 0,
        gated: true,
        pauses: true,
        memberCounts: counts({ pending: 2 }),
        targets: [
          { name: 'host-3', state: 'PENDING', reason: null },
          { name: 'host-4', state: 'PENDING', reason: null },
        ],
      }),
    ],
    routeChanges: [
      {
        router: 'production-proxy',
        stage: 0,
        canaryPermille: 50,
        state: 'CONFIRMED',
        failure: null,
        dispatchedAt: '2026-11-21T11:55:58.000Z',
        settledAt: '2026-11-21T11:55:59.000Z',
      },
      {
        router: 'production-proxy',
        stage: 1,
        canaryPermille: 255,
        state: 'CONFIRMED',
        failure: null,
        dispatchedAt: '2026-11-21T11:58:58.000Z',
        settledAt: '2026-11-21T11:58:59.000Z',
      },
    ],
    steers: [
      {
        id: 'maya/1',
        principal: 'maya',
        action: 'RESUME',
        comment: '',
        recorded: false,
        refusal: { code: 'rollout-not-paused', message: 'It is not paused.' },
        stage: null,
        at: '2026-11-21T11:56:00.000Z',
      },
      {
        id: 'maya/2',
        principal: 'maya',
        action: 'PAUSE',
        comment: 'I want to look at the log of the first one before it goes on.',
        recorded: true,
        refusal: null,
        stage: 0,
        at: '2026-11-21T11:56:30.000Z',
      },
    ],
    ...change,
  };
}

/** A rollout that failed in its second stage and was put back. */
export function failedRollout(): RolloutView {
  const { stages, ...rest } = rollout();
  const [few, half, all] = stages;
  if (few === undefined || half === undefined || all === undefined) throw new Error('three stages');
  const putBack = { code: 'rollout-failed', message: 'The rollout did not hold.' };
  return {
    ...rest,
    state: 'FAILED',
    endedAt: '2026-11-21T11:59:30.000Z',
    reason: {
      code: 'analysis-failed',
      message: 'errors of the new version are 5.1 %, of the old one 0.0 %; at most 1.0 % more.',
    },
    stages: [
      {
        ...few,
        memberCounts: counts({ reverted: 1 }),
        targets: [{ name: 'host-1', state: 'REVERTED', reason: putBack }],
      },
      {
        ...half,
        state: 'FAILED',
        memberCounts: counts({ reverted: 1 }),
        targets: [{ name: 'host-2', state: 'REVERTED', reason: putBack }],
        analysis: {
          outcome: 'FAIL',
          score: 12.4,
          reason: { code: 'analysis-failed', message: 'errors' },
          documentDigest: `sha256:${'b'.repeat(64)}`,
          startedAt: '2026-11-21T11:59:00.000Z',
          endedAt: '2026-11-21T11:59:20.000Z',
        },
      },
      {
        ...all,
        state: 'SKIPPED',
        memberCounts: counts({ skipped: 2 }),
        targets: all.targets.map((target) => ({ ...target, state: 'SKIPPED' })),
      },
    ],
    routeChanges: [
      ...rest.routeChanges,
      {
        router: 'production-proxy',
        stage: null,
        canaryPermille: 0,
        state: 'CONFIRMED',
        failure: null,
        dispatchedAt: '2026-11-21T11:59:20.000Z',
        settledAt: '2026-11-21T11:59:21.000Z',
      },
    ],
  };
}

/** A promotion with these rollouts. */
export function promotionWith(...rollouts: readonly RolloutView[]): PromotionRolloutsView {
  return {
    id: 'production/3',
    state: 'RUNNING',
    release: { id: `sha256:${'c'.repeat(64)}`, name: 'shop', version: '1.3.0' },
    environment: { name: 'production' },
    rollouts,
  };
}

/** A router that sends a share to one of three servers. */
export function router(change: Partial<RouterView> = {}): RouterView {
  const server = (name: string, port: number) => ({ name, address: '10.0.0.1', port });
  return {
    name: 'production-proxy',
    kind: 'HAPROXY',
    backend: 'shop',
    labels: {},
    environment: { name: 'production' },
    agent: { state: 'ONLINE', version: '0.1.0', lastHeartbeatAt: '2026-11-21T11:59:59.000Z' },
    route: {
      digest: `sha256:${'d'.repeat(64)}`,
      canaryPermille: 255,
      match: [{ header: { name: 'x-beta', value: 'yes' } }],
      promotion: 'production/3',
      since: '2026-11-21T11:58:59.000Z',
      stable: [server('host-3', 8083), server('host-4', 8084)],
      canary: [server('host-1', 8081), { name: 'host-2', address: 'fd00::2', port: 8082 }],
    },
    ...change,
  };
}
