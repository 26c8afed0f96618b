import { setTimeout as sleep } from 'node:timers/promises';
import type { GraphqlClient } from './graphql-client.ts';
import type { PromotionAnswer } from './operations.ts';
import { AGENTS } from './operations.ts';
import { DemoError } from './release-client.ts';

const ONLINE_MS = 60_000;

/** Waits until the agents of these targets are online. @throws DemoError `demo-timeout` */
export async function untilAgentsOnline(
  ask: GraphqlClient,
  wanted: readonly string[],
): Promise<void> {
  const deadline = Date.now() + ONLINE_MS;
  for (;;) {
    const { targets } = await ask<{
      targets: readonly { name: string; agent: { state: string } | null }[];
    }>(AGENTS);
    const away = wanted.filter(
      (target) => targets.find(({ name }) => name === target)?.agent?.state !== 'ONLINE',
    );
    if (away.length === 0) {
      return;
    }
    if (Date.now() > deadline) {
      throw new DemoError(
        'demo-timeout',
        `Not online within 60 s: the agents of ${away.join(', ')}.`,
      );
    }
    await sleep(250);
  }
}

/** What did not come out as it must; empty when all did. */
export function expectState(promotion: PromotionAnswer, state: string): string[] {
  if (promotion.state === state) {
    return [];
  }
  const { code, message } = promotion.reason ?? { code: 'no reason', message: '' };
  return [
    `it is ${promotion.state.toLowerCase()}, not ${state.toLowerCase()} (${code}: ${message})`,
  ];
}

/** What the sample service answers at a URL. */
export async function askService(url: string): Promise<{ version?: string }> {
  const response = await fetch(url, { signal: AbortSignal.timeout(5_000) });
  return (await response.json()) as { version?: string };
}
