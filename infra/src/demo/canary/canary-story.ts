import { randomUUID } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SAMPLE_VERSIONS } from '../../samples/pack-samples.ts';
import type { Stack } from '../../stack/stack-types.ts';
import { askService, expectState, untilAgentsOnline } from '../demo-checks.ts';
import type { FoundProxy } from '../demo-proxy.ts';
import type { ToldPromotion, ToldService } from '../demo-story.ts';
import type { GraphqlClient } from '../graphql-client.ts';
import { createGraphqlClient } from '../graphql-client.ts';
import type { SteadyLoad } from '../load/steady-load.ts';
import { startLoad } from '../load/steady-load.ts';
import type { PromotionAnswer } from '../operations.ts';
import {
  createRelease,
  DemoError,
  followPromotion,
  getPacket,
  getTrustRoot,
  POLL_MS,
  requestPromotion,
} from '../release-client.ts';
import { EDGE, SHOP, WEB } from './canary-stage.ts';
import type { CanaryStory, ToldRollout } from './canary-told.ts';
import { watchRollout } from './rollout-watch.ts';
import { toToldRollout } from './told-rollout.ts';

const NAME = 'hello';
const SOURCE = 'samples';
const PROMOTION_SECONDS = 600;
const PER_SECOND = 50;
/** What is seen of the load before anything changes, and after it. */
const CALM_MS = 4_000;

/** What the story needs of a stack. */
export type CanaryStage = Pick<
  Stack,
  'dataDir' | 'graphqlUrl' | 'getServicePort' | 'getRouterPort' | 'tokens'
> & {
  /** How often it looks. */
  readonly pollMs?: number;
};

/** What is around the stack. */
export type CanaryProps = {
  readonly proxy: FoundProxy;
  /** Version of the Prometheus that measures, too; null without one. */
  readonly prometheus: string | null;
};

const { clean, failing, mended } = SAMPLE_VERSIONS;

/**
 * Tells the story of the canary through the public GraphQL API, with real requests through a real proxy: 1.0.0 runs on every host; 1.3.0,
 * which is healthy and slow and answers one request of twenty with an error, gets a tenth of the requests, is found to be worse, and is put
 * back; 1.3.1, in which that is mended, gets a tenth, then half, then all.
 */
export async function tellCanary(
  stage: CanaryStage,
  { proxy, prometheus }: CanaryProps,
  say: (line: string) => void,
): Promise<CanaryStory> {
  const folder = join(stage.dataDir, 'evidence-out');
  await mkdir(folder, { recursive: true });
  const teller = new CanaryTeller(stage, folder, say);
  await untilAgentsOnline(teller.as('viewer'), WEB);
  const promotions = [await teller.begin()];
  const url = `http://127.0.0.1:${stage.getRouterPort(EDGE)}/`;
  say(`${PER_SECOND} requests a second go to ${url} (${proxy.kind} ${proxy.version})`);
  const load = startLoad({ url, perSecond: PER_SECOND });
  const rollouts: ToldRollout[] = [];
  try {
    await sleep(CALM_MS);
    for (const [version, before, state, answers] of [
      [failing, clean, 'REVERTED', clean],
      [mended, clean, 'SUCCEEDED', mended],
    ] as const) {
      const { told, rollout } = await teller.tell({ version, before, state, answers }, load);
      promotions.push(told);
      rollouts.push(rollout);
      await sleep(CALM_MS);
    }
  } finally {
    await load.stop();
  }
  const trustRootFile = join(folder, 'trust-root.json');
  await writeFile(trustRootFile, await getTrustRoot(teller.as('viewer')));
  return {
    proxy: { kind: proxy.kind, version: proxy.version, url },
    ...{ prometheus, promotions, rollouts, services: await teller.listServices(), trustRootFile },
    load: {
      ...{ record: load.record, perSecond: PER_SECOND },
      ...{ skipped: load.skipped(), retried: load.retried() },
    },
  };
}

/** A rollout under load, and how it must come out. */
type Chapter = {
  readonly version: string;
  readonly before: string;
  readonly state: string;
  readonly answers: string;
};

class CanaryTeller {
  readonly #stage: CanaryStage;
  readonly #folder: string;
  readonly #say: (line: string) => void;
  readonly #pollMs: number;

  constructor(stage: CanaryStage, folder: string, say: (line: string) => void) {
    this.#stage = stage;
    this.#folder = folder;
    this.#say = say;
    this.#pollMs = stage.pollMs ?? POLL_MS;
  }

  as(principal: string): GraphqlClient {
    return createGraphqlClient(this.#stage.graphqlUrl, this.#stage.tokens[principal] ?? '');
  }

  /** What everything is compared with later: nobody asks for anything yet. */
  async begin(): Promise<ToldPromotion> {
    const id = await this.#request(clean);
    const told = await this.#end(await this.#follow(id), 'SUCCEEDED', clean);
    if (told.problems.length > 0) {
      const message = `Without a first release there is nothing to compare with: promotion ${id}: ${told.problems.join('; ')}`;
      throw new DemoError('demo-unexpected', message);
    }
    return told;
  }

  async tell(
    { version, before, state, answers }: Chapter,
    load: SteadyLoad,
  ): Promise<{ readonly told: ToldPromotion; readonly rollout: ToldRollout }> {
    const from = Date.now();
    const id = await this.#request(version);
    const seen: { over: boolean; revertedAt: number | null } = { over: false, revertedAt: null };
    const watched = watchRollout(
      this.as('viewer'),
      id,
      () => seen.over,
      (line) => this.#say(`promotion ${id}: ${line}`),
      this.#pollMs,
    );
    let promotion: PromotionAnswer;
    try {
      promotion = await this.#follow(id, (step) => {
        if (step.id === 'rollout' && step.state === 'REVERTED') seen.revertedAt = Date.now();
      });
    } finally {
      seen.over = true;
    }
    const rollout = toToldRollout(
      await watched,
      {
        ...{ promotion: id, version, before, state: promotion.state.toLowerCase() },
        ...{ from, to: Date.now(), revertedAt: seen.revertedAt },
      },
      load.startedAt,
    );
    const told = await this.#end(promotion, state, answers);
    return { told, rollout };
  }

  /** What answers where, now. */
  listServices(): Promise<ToldService[]> {
    return Promise.all(
      WEB.map(async (target) => {
        const url = `http://127.0.0.1:${this.#stage.getServicePort(target)}/`;
        const answer = await askService(url).catch(() => undefined);
        return { environment: SHOP, target, url, version: answer?.version ?? null };
      }),
    );
  }

  async #request(version: string): Promise<string> {
    const ask = this.as('release-manager');
    const release = await createRelease(ask, { name: NAME, version, source: SOURCE }, this.#pollMs);
    const { id } = await requestPromotion(ask, release.id, SHOP, `demo-${randomUUID()}`);
    this.#say(`promotion ${id}: ${NAME} ${version} → ${SHOP}`);
    return id;
  }

  #follow(
    id: string,
    onStep: (step: PromotionAnswer['steps'][number]) => void = () => undefined,
  ): Promise<PromotionAnswer> {
    return followPromotion(this.as('release-manager'), id, PROMOTION_SECONDS, {
      onStep: (step) => {
        onStep(step);
        const time = step.seconds === null ? '' : ` (${step.seconds.toFixed(1)} s)`;
        this.#say(`promotion ${id}: ${step.id} ${step.state.toLowerCase()}${time}`);
      },
      pollMs: this.#pollMs,
    });
  }

  async #end(promotion: PromotionAnswer, state: string, answers: string): Promise<ToldPromotion> {
    const { id } = promotion;
    this.#say(`promotion ${id}: ${promotion.state.toLowerCase()}, sealed`);
    const packetFile = join(this.#folder, `${id.replaceAll('/', '-')}.packet.json`);
    await writeFile(packetFile, await getPacket(this.as('release-manager'), id));
    const wrong = (await this.listServices()).filter(({ version }) => version !== answers);
    const problems = [
      ...expectState(promotion, state),
      ...wrong.map(({ target, version }) => `${target} answers ${version}, not ${answers}`),
    ];
    return { promotion, packetFile, problems };
  }
}
