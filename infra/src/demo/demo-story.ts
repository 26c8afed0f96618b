import { randomUUID } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SAMPLE_VERSIONS } from '../samples/pack-samples.ts';
import type { Stack } from '../stack/stack-types.ts';
import { askService, expectState, untilAgentsOnline } from './demo-checks.ts';
import { describeDifference, shortDigest } from './demo-difference.ts';
import { PLACES } from './demo-stage.ts';
import type { GraphqlClient } from './graphql-client.ts';
import { createGraphqlClient } from './graphql-client.ts';
import type { PromotionAnswer } from './operations.ts';
import {
  approve,
  createRelease,
  followPromotion,
  getApproval,
  getPacket,
  getTrustRoot,
  POLL_MS,
  requestPromotion,
  requestRollback,
} from './release-client.ts';

const NAME = 'hello';
const SOURCE = 'samples';
const PROMOTION_SECONDS = 300;

/** One promotion of the story with the packet's file. */
export type ToldPromotion = {
  readonly promotion: PromotionAnswer;
  /** Absolute path of the packet. */
  readonly packetFile: string;
  /** What did not come out as it must; empty when all did. */
  readonly problems: readonly string[];
};

/** What answers on a host when the story has ended. */
export type ToldService = {
  readonly environment: string;
  readonly target: string;
  readonly url: string;
  /** Null when nothing answers. */
  readonly version: string | null;
};

/** What the story left. */
export type Story = {
  readonly promotions: readonly ToldPromotion[];
  readonly services: readonly ToldService[];
  /** Absolute path of the trust root. */
  readonly trustRootFile: string;
};

/** What the story needs of a stack. */
export type StoryStage = Pick<Stack, 'dataDir' | 'graphqlUrl' | 'getServicePort' | 'tokens'> & {
  /** How often it looks. */
  readonly pollMs?: number;
};

/** One promotion of the story, and how it must come out. */
type Chapter = {
  readonly environment: string;
  readonly version: string;
  readonly state: string;
  /** What answers there afterwards. */
  readonly answers: string;
  /** Goes back to the last verified release instead, which must be `version`. */
  readonly isRollback?: boolean;
};

const { clean, leaking, counting } = SAMPLE_VERSIONS;
const CHAPTERS: readonly Chapter[] = [
  ...PLACES.map(({ environment }) => ({
    ...{ environment, version: clean, state: 'SUCCEEDED', answers: clean },
  })),
  { environment: 'dev', version: leaking, state: 'DENIED', answers: clean },
  { environment: 'dev', version: counting, state: 'SUCCEEDED', answers: counting },
  { environment: 'staging', version: counting, state: 'REVERTED', answers: clean },
  { environment: 'dev', version: clean, state: 'SUCCEEDED', answers: clean, isRollback: true },
];

/**
 * Tells the demo's story against a running stack, through the public GraphQL API only: 1.0.0 goes
 * through dev and staging to production, where a second person approves it; 1.1.0, in which a key
 * was left, is denied; 1.2.0 runs in dev and fails in staging, which is put back; dev is rolled
 * back.
 */
export async function tellStory(stack: StoryStage, say: (line: string) => void): Promise<Story> {
  const folder = join(stack.dataDir, 'evidence-out');
  await mkdir(folder, { recursive: true });
  const teller = new Teller(stack, folder, say);
  await teller.untilAgentsOnline();
  const promotions: ToldPromotion[] = [];
  for (const chapter of CHAPTERS) {
    promotions.push(await teller.tell(chapter));
  }
  const trustRootFile = join(folder, 'trust-root.json');
  await writeFile(trustRootFile, await teller.getTrustRoot());
  return { promotions, services: await teller.listServices(), trustRootFile };
}

/** Asks as the person whose part it is, and says what comes of it. */
class Teller {
  readonly #stage: StoryStage;
  readonly #folder: string;
  readonly #say: (line: string) => void;
  readonly #pollMs: number;

  constructor(stage: StoryStage, folder: string, say: (line: string) => void) {
    this.#stage = stage;
    this.#folder = folder;
    this.#say = say;
    this.#pollMs = stage.pollMs ?? POLL_MS;
  }

  async tell(chapter: Chapter): Promise<ToldPromotion> {
    const { environment, version, state, answers } = chapter;
    const { id, release } = await this.#begin(chapter);
    const ask = this.#as('release-manager');
    const promotion = await followPromotion(ask, id, PROMOTION_SECONDS, {
      onStep: (step) => this.#sayStep(id, step),
      onApproval: () => this.#approve(id),
      pollMs: this.#pollMs,
    });
    this.#say(`promotion ${id}: ${promotion.state.toLowerCase()}, sealed`);
    const packetFile = join(this.#folder, `${id.replaceAll('/', '-')}.packet.json`);
    await writeFile(packetFile, await getPacket(ask, id));
    const problems = [
      ...expectState(promotion, state),
      ...(release.version === version ? [] : [`it is of ${release.version}, not of ${version}`]),
      ...(promotion.decision?.decision === 'DENY' && promotion.decision.reasonCodes.length === 0
        ? ['it was denied without a reason code']
        : []),
      ...(await this.#expectAnswer(environment, answers)),
    ];
    return { promotion, packetFile, problems };
  }

  async #begin({ environment, version, isRollback = false }: Chapter): Promise<PromotionAnswer> {
    const key = `demo-${randomUUID()}`;
    if (isRollback) {
      const reason = `back to ${version} until every host is ready for what comes after it`;
      const promotion = await requestRollback(this.#as('admin'), environment, reason, key);
      const { id, release } = promotion;
      this.#say(`rollback ${id}: ${environment} back to ${release.name} ${release.version}`);
      return promotion;
    }
    const ask = this.#as('release-manager');
    const release = await createRelease(ask, { name: NAME, version, source: SOURCE }, this.#pollMs);
    const digest = release.components[0]?.digest ?? release.id;
    this.#say(`release ${NAME} ${version}: tag resolved to ${shortDigest(digest)}`);
    const promotion = await requestPromotion(ask, release.id, environment, key);
    this.#say(`promotion ${promotion.id}: ${NAME} ${version} → ${environment}`);
    return promotion;
  }

  /** Another person than the one who asked: looks at what would change, and approves just that. */
  async #approve(promotion: string): Promise<void> {
    const ask = this.#as('approver');
    const approval = await getApproval(ask, promotion);
    if (approval.state !== 'WAITING') {
      return;
    }
    this.#say(`promotion ${promotion}: the approver looks at the difference`);
    for (const line of describeDifference(approval)) {
      this.#say(`    ${line}`);
    }
    await approve(ask, promotion, approval, `demo-${randomUUID()}`);
    this.#say(`promotion ${promotion}: approved by approver`);
  }

  #sayStep(promotion: string, step: PromotionAnswer['steps'][number]): void {
    const time = step.seconds === null ? '' : ` (${step.seconds.toFixed(1)} s)`;
    // These repeat the reason of the one that failed.
    const why =
      step.reason === null || ['SKIPPED', 'REVERTED'].includes(step.state)
        ? ''
        : `: ${step.reason.message}`;
    this.#say(`promotion ${promotion}: ${step.id} ${step.state.toLowerCase()}${time}${why}`);
  }

  async #expectAnswer(environment: string, version: string): Promise<string[]> {
    const url = this.#urlOf(environment);
    try {
      const answer = await askService(url);
      if (answer.version === version) {
        this.#say(`${url} (${environment}) answers: ${JSON.stringify(answer)}`);
        return [];
      }
      return [`${url} answers ${JSON.stringify(answer)}, not version ${version}`];
    } catch (error) {
      return [`${url} does not answer (${(error as Error).message})`];
    }
  }

  /** What answers where, now. */
  listServices(): Promise<ToldService[]> {
    return Promise.all(
      PLACES.map(async ({ environment, target }) => {
        const url = this.#urlOf(environment);
        const answer = await askService(url).catch(() => undefined);
        return { environment, target, url, version: answer?.version ?? null };
      }),
    );
  }

  getTrustRoot(): Promise<string> {
    return getTrustRoot(this.#as('viewer'));
  }

  untilAgentsOnline(): Promise<void> {
    return untilAgentsOnline(
      this.#as('viewer'),
      PLACES.map(({ target }) => target),
    );
  }

  #as(principal: string): GraphqlClient {
    return createGraphqlClient(this.#stage.graphqlUrl, this.#stage.tokens[principal] ?? '');
  }

  #urlOf(environment: string): string {
    const { target } = PLACES.find((place) => place.environment === environment) ?? { target: '' };
    return `http://127.0.0.1:${this.#stage.getServicePort(target)}/`;
  }
}
