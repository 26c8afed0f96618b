import { randomUUID } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SAMPLE_VERSIONS } from '../samples/pack-samples.ts';
import type { Stack } from '../stack/stack-types.ts';
import type { GraphqlClient } from './graphql-client.ts';
import { createGraphqlClient } from './graphql-client.ts';
import type { PromotionAnswer } from './operations.ts';
import { AGENTS } from './operations.ts';
import {
  createRelease,
  DemoError,
  followPromotion,
  getPacket,
  getTrustRoot,
  requestPromotion,
} from './release-client.ts';

const NAME = 'hello';
const SOURCE = 'samples';
const ENVIRONMENT = 'dev';
const TARGET = 'dev-host-1';
const PROMOTION_SECONDS = 300;

/** One promotion of the story with the packet's file. */
export type ToldPromotion = {
  readonly promotion: PromotionAnswer;
  /** Absolute path of the packet. */
  readonly packetFile: string;
  /** What did not come out as it must; empty when all did. */
  readonly problems: readonly string[];
};

/** What the story left. */
export type Story = {
  readonly promotions: readonly ToldPromotion[];
  /** Absolute path of the trust root. */
  readonly trustRootFile: string;
  readonly serviceUrl: string;
};

/** What the story needs of a stack. */
export type StoryStage = Pick<Stack, 'dataDir' | 'graphqlUrl' | 'getServicePort' | 'tokens'>;

/**
 * Tells the demo's story against a running stack, through the public GraphQL API only: the clean
 * version is deployed and answers, the one with a key left in a layer is denied and nothing on the
 * target changes.
 */
export async function tellStory(stack: StoryStage, say: (line: string) => void): Promise<Story> {
  const ask = createGraphqlClient(stack.graphqlUrl, stack.tokens['release-manager'] ?? '');
  const folder = join(stack.dataDir, 'evidence-out');
  await mkdir(folder, { recursive: true });
  const serviceUrl = `http://127.0.0.1:${stack.getServicePort(TARGET)}/`;
  await untilAgentOnline(ask);

  const clean = await promote(ask, SAMPLE_VERSIONS.clean, folder, say);
  const cleanProblems = [
    ...expectState(clean.promotion, 'SUCCEEDED'),
    ...(await expectAnswer(serviceUrl, SAMPLE_VERSIONS.clean, say)),
  ];

  const leaking = await promote(ask, SAMPLE_VERSIONS.leaking, folder, say);
  const leakingProblems = [
    ...expectState(leaking.promotion, 'DENIED'),
    ...((leaking.promotion.decision?.reasonCodes.length ?? 0) > 0 ? [] : ['no reason code']),
    ...(await expectAnswer(serviceUrl, SAMPLE_VERSIONS.clean, say)),
  ];

  const trustRootFile = join(folder, 'trust-root.json');
  await writeFile(trustRootFile, await getTrustRoot(ask));
  return {
    promotions: [
      { ...clean, problems: cleanProblems },
      { ...leaking, problems: leakingProblems },
    ],
    trustRootFile,
    serviceUrl,
  };
}

async function promote(
  ask: GraphqlClient,
  version: string,
  folder: string,
  say: (line: string) => void,
): Promise<Omit<ToldPromotion, 'problems'>> {
  const release = await createRelease(ask, { name: NAME, version, source: SOURCE });
  const digest = release.components[0]?.digest ?? release.id;
  say(`release ${NAME} ${version}: tag resolved to ${digest.slice(0, 19)}…`);
  const { id } = await requestPromotion(ask, release.id, ENVIRONMENT, `demo-${randomUUID()}`);
  say(`promotion ${id}: ${NAME} ${version} → ${ENVIRONMENT}`);
  const promotion = await followPromotion(ask, id, PROMOTION_SECONDS, (step) => {
    const time = step.seconds === null ? '' : ` (${step.seconds.toFixed(1)} s)`;
    // A skipped step repeats the reason of the one that failed.
    const why = step.reason === null || step.state === 'SKIPPED' ? '' : `: ${step.reason.message}`;
    say(`promotion ${id}: ${step.id} ${step.state.toLowerCase()}${time}${why}`);
  });
  say(`promotion ${id}: ${promotion.state.toLowerCase()}, sealed`);
  const packetFile = join(folder, `${id.replaceAll('/', '-')}.packet.json`);
  await writeFile(packetFile, await getPacket(ask, id));
  return { promotion, packetFile };
}

function expectState(promotion: PromotionAnswer, state: string): string[] {
  if (promotion.state === state) {
    return [];
  }
  const { code, message } = promotion.reason ?? { code: 'no reason', message: '' };
  return [
    `it is ${promotion.state.toLowerCase()}, not ${state.toLowerCase()} (${code}: ${message})`,
  ];
}

async function expectAnswer(
  url: string,
  version: string,
  say: (line: string) => void,
): Promise<string[]> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(5_000) });
    const answer = (await response.json()) as { version?: string };
    if (response.ok && answer.version === version) {
      say(`${url} answers: ${JSON.stringify(answer)}`);
      return [];
    }
    return [`${url} answers ${JSON.stringify(answer)}, not version ${version}`];
  } catch (error) {
    return [`${url} does not answer (${(error as Error).message})`];
  }
}

async function untilAgentOnline(ask: GraphqlClient): Promise<void> {
  const deadline = Date.now() + 60_000;
  for (;;) {
    const { targets } = await ask<{
      targets: readonly { name: string; agent: { state: string } | null }[];
    }>(AGENTS);
    if (targets.find(({ name }) => name === TARGET)?.agent?.state === 'ONLINE') {
      return;
    }
    if (Date.now() > deadline) {
      throw new DemoError(
        'demo-timeout',
        `The agent of ${TARGET} did not come online within 60 s.`,
      );
    }
    await sleep(250);
  }
}
