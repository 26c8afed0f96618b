import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { findDisagreements } from '../support/agreement.ts';
import { decide, readApprovals } from '../support/deciders.ts';
import { type PromotionAnswer, REQUEST_PROMOTION } from '../support/documents.ts';
import { startTestStack, type TestStack } from '../support/e2e-stack.ts';
import { mulberry32 } from '../support/event-kills/kill-cases.ts';
import { queryStack } from '../support/promotion-checks.ts';
import { findService, serviceImage } from '../support/service-images.ts';
import { type Answered, StackClient } from '../support/stack-client.ts';

const CLIENTS = 10;
const PROMOTIONS_EACH = 5;
const ENVIRONMENTS = ['soak-dev', 'soak-staging', 'soak-production'];
const VERSIONS = ['1.0.0', '2.0.0', '3.0.0', '4.0.0', '5.0.0'];
const SEED = Number(process.env['SLUICE_FAULT_SEED'] ?? 4711);
const KILL_EVERY_MS = 10_000;

let made: TestStack;
let approver: StackClient;
const releases: string[] = [];
const ids: string[] = [];

beforeAll(async () => {
  made = await startTestStack({
    images: VERSIONS.map((tag) => serviceImage(tag)),
    scannerMode: 'clean',
    environments: ENVIRONMENTS.map((name, index) => ({
      name,
      position: index,
      ...(index === 2
        ? { pipeline: 'approved' as const, approval: { roles: ['approver'] as const } }
        : {}),
    })),
    targets: ENVIRONMENTS.flatMap((environment) =>
      ['a', 'b'].map((letter) => ({ name: `${environment}-${letter}`, environment })),
    ),
    principals: [
      { name: 'release-manager', role: 'release-manager' },
      { name: 'approver', role: 'approver' },
    ],
    env: { worker: { SLUICE_WATCHDOG_SECONDS: '2' } },
  });
  approver = new StackClient(made.stack, 'approver');
  for (const version of VERSIONS) releases.push((await made.client.release(version)).id);
}, 180_000);

afterAll(async () => {
  await made?.remove();
});

async function request(release: string, environment: string): Promise<string | undefined> {
  const { requestPromotion } = await made.client.ask<{
    requestPromotion: Answered<{ readonly id: string }>;
  }>(REQUEST_PROMOTION, { input: { release, environment, idempotencyKey: randomUUID() } });
  if ('id' in requestPromotion) return requestPromotion.id;
  if (requestPromotion.code === 'predecessor-not-verified') return undefined;
  throw new Error(JSON.stringify(requestPromotion));
}

/** One client: takes its release as far as it comes, then begins again, until it has made its promotions. */
async function work(number: number): Promise<void> {
  const release = releases[number % releases.length] ?? '';
  let at = 0;
  for (let made_ = 0; made_ < PROMOTIONS_EACH; ) {
    const id = await request(release, ENVIRONMENTS[at] ?? '');
    if (id === undefined) {
      // Another client's failure took the verification away: from the beginning.
      at = 0;
      continue;
    }
    made_ += 1;
    ids.push(id);
    const { state } = await made.client.untilSealed(id, 600);
    at = state === 'SUCCEEDED' ? (at + 1) % ENVIRONMENTS.length : 0;
  }
}

async function approveAll(signal: AbortSignal): Promise<void> {
  const keys = new Map<string, string>();
  while (!signal.aborted) {
    for (const id of ids.filter((one) => one.startsWith('soak-production/'))) {
      const { approval } = await readApprovals(approver, id);
      if (approval?.state !== 'WAITING' || approval.decisions.some(({ recorded }) => recorded)) {
        continue;
      }
      const idempotencyKey = keys.get(approval.id) ?? randomUUID();
      keys.set(approval.id, idempotencyKey);
      await decide(approver, id, { plan: approval.planDigest, idempotencyKey }).catch(
        () => undefined,
      );
    }
    await sleep(300);
  }
}

async function killAbout(signal: AbortSignal): Promise<number> {
  const random = mulberry32(SEED);
  const victims = [
    'worker',
    'api',
    ...made.stack.names.filter((name) => name.startsWith('agent-')),
  ];
  let kills = 0;
  while (!signal.aborted) {
    await sleep(KILL_EVERY_MS, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) break;
    const victim = victims[Math.floor(random() * victims.length)] ?? 'worker';
    await made.stack.kill(victim);
    await made.stack.start(victim);
    kills += 1;
  }
  return kills;
}

test(`${CLIENTS * PROMOTIONS_EACH} promotions over three environments by ${CLIENTS} clients, with kills (seed ${SEED})`, async () => {
  const done = new AbortController();
  const kills = killAbout(done.signal);
  const approvals = approveAll(done.signal);
  try {
    await Promise.all(Array.from({ length: CLIENTS }, (_, number) => work(number)));
  } finally {
    done.abort();
    await Promise.all([kills, approvals]);
  }
  expect(await kills).toBeGreaterThan(3);
  expect(ids).toHaveLength(CLIENTS * PROMOTIONS_EACH);
  const violations: unknown[] = [];
  const states = new Map<string, number>();
  for (const id of ids) {
    const promotion: PromotionAnswer = await made.client.promotion(id);
    states.set(promotion.state, (states.get(promotion.state) ?? 0) + 1);
    const problems = await findDisagreements(made.stack, promotion);
    if (problems.length > 0) violations.push({ id, state: promotion.state, problems });
  }
  expect(violations).toEqual([]);
  const [open] = await queryStack<{ count: number }>(
    made.stack,
    'select count(*)::int as count from sluice.promotions where ended_at is null',
  );
  expect(open?.count).toBe(0);
  expect(states.get('SUCCEEDED') ?? 0).toBeGreaterThan(25);
  for (const { name } of await targets()) {
    const { currentRelease } = await made.client.target(name);
    const answers = await findService(made.stack.getServicePort(name));
    expect(answers?.version).toBe(currentRelease?.version);
  }
}, 1_200_000);

async function targets(): Promise<readonly { readonly name: string }[]> {
  return (await made.client.ask<{ targets: { name: string }[] }>('{ targets { name } }')).targets;
}
