import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Stack } from '@sluice/infra';
import {
  CANCEL_PROMOTION,
  CREATE_RELEASE,
  PROMOTION,
  PROMOTION_GLANCE,
  type PromotionAnswer,
  type PromotionGlance,
  RELEASE_REQUEST,
  REQUEST_PROMOTION,
  type Refusal,
  type ReleaseRequestAnswer,
  TARGET,
  type TargetAnswer,
} from './documents.ts';
import { waitFor } from './wait-for.ts';

/** An answer over HTTP with what came beside its body. */
export interface HttpAnswer<Data> {
  readonly status: number;
  readonly headers: Headers;
  readonly data: Data | null;
  readonly errors: readonly { readonly message: string }[];
}

/** What a mutation answered: its member, or a refusal. */
export type Answered<Member> = ({ readonly __typename: string } & Member) | Refusal;

const ENDED = ['SUCCEEDED', 'DENIED', 'FAILED', 'REVERTED', 'CANCELLED'];

/** A release as tests need it. */
export interface MadeRelease {
  readonly id: string;
  /** Digest of its image. */
  readonly image: string;
}

/** Speaks to one stack's GraphQL API as one principal, over HTTP as anybody outside would. */
export class StackClient {
  readonly #url: string;
  readonly #token: string;
  readonly #patienceMs: number;
  readonly #glanceMs: number;

  /**
   * @param options `patienceSeconds`: how long a server that is away is asked again, 60 when absent; `glanceMs`: how often a
   *   promotion that is waited for is looked at, 200 when absent
   */
  constructor(
    stack: Pick<Stack, 'graphqlUrl' | 'tokens'>,
    principal = 'release-manager',
    {
      patienceSeconds = 60,
      glanceMs = 200,
    }: { readonly patienceSeconds?: number; readonly glanceMs?: number } = {},
  ) {
    this.#patienceMs = patienceSeconds * 1000;
    this.#glanceMs = glanceMs;
    this.#url = stack.graphqlUrl;
    this.#token = stack.tokens[principal] ?? '';
  }

  /** One question, one answer; nothing is tried again. */
  async post<Data>(
    query: string,
    variables: Readonly<Record<string, unknown>> = {},
  ): Promise<HttpAnswer<Data>> {
    const response = await fetch(this.#url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${this.#token}` },
      body: JSON.stringify({ query, variables }),
      signal: AbortSignal.timeout(30_000),
    });
    const body = (await response.json()) as { data?: Data; errors?: { message: string }[] };
    const { status, headers } = response;
    return { status, headers, data: body.data ?? null, errors: body.errors ?? [] };
  }

  /** The data of an answer without errors; a server that is away for a moment is asked again. */
  async ask<Data>(query: string, variables: Readonly<Record<string, unknown>> = {}): Promise<Data> {
    const deadline = Date.now() + this.#patienceMs;
    for (;;) {
      const answer = await this.post<Data>(query, variables).catch((error: unknown) => error);
      const { data, errors = [] } = answer as Partial<HttpAnswer<Data>>;
      if (data !== undefined && data !== null && errors.length === 0) return data;
      if (Date.now() > deadline) {
        const why = errors.map(({ message }) => message).join('; ') || String(answer);
        throw new Error(`${this.#url} gave no data: ${why}`);
      }
      await sleep(250);
    }
  }

  /** Asks for a release and gives the request once it is settled, or the refusal. */
  async askForRelease(input: Record<string, unknown>): Promise<Answered<ReleaseRequestAnswer>> {
    const { createRelease } = await this.ask<{ createRelease: Answered<ReleaseRequestAnswer> }>(
      CREATE_RELEASE,
      { input: { idempotencyKey: randomUUID(), ...input } },
    );
    if (createRelease.__typename !== 'ReleaseRequest') return createRelease;
    const { id } = createRelease as ReleaseRequestAnswer;
    return waitFor(
      `release request ${id} is settled`,
      async () => {
        const { releaseRequest } = await this.ask<{
          releaseRequest: { readonly __typename: string } & ReleaseRequestAnswer;
        }>(RELEASE_REQUEST, { id });
        return releaseRequest.state !== 'RESOLVING' && releaseRequest;
      },
      { seconds: 180 },
    );
  }

  /** Makes a release of one image; throws when it is refused. */
  async release(version: string, source = 'images', name = 'app'): Promise<MadeRelease> {
    const answer = await this.askForRelease({
      name,
      version,
      components: [{ name, source, reference: version }],
    });
    const release = 'release' in answer ? answer.release : null;
    if (release === null) {
      throw new Error(`Release ${version} was not made: ${JSON.stringify(answer)}`);
    }
    return { id: release.id, image: release.components[0]?.digest ?? '' };
  }

  /** Requests a promotion and gives its id with the answer's headers. */
  async requestWithHeaders(
    release: string,
    environment: string,
  ): Promise<{ readonly id: string; readonly headers: Headers }> {
    const { data, headers, errors } = await this.post<{
      requestPromotion: Answered<PromotionAnswer>;
    }>(REQUEST_PROMOTION, { input: { release, environment, idempotencyKey: randomUUID() } });
    const answer = data?.requestPromotion;
    if (answer?.__typename !== 'Promotion') {
      throw new Error(`The promotion was not taken: ${JSON.stringify(answer ?? errors)}`);
    }
    return { id: (answer as PromotionAnswer).id, headers };
  }

  /** Requests a promotion and gives its id; throws when it is refused. */
  async request(release: string, environment: string): Promise<string> {
    return (await this.requestWithHeaders(release, environment)).id;
  }

  /** Requests a promotion and waits until it is sealed. */
  async promote(release: string, environment: string, seconds?: number): Promise<PromotionAnswer> {
    return this.untilSealed(await this.request(release, environment), seconds);
  }

  /** Asks for a promotion's end. */
  async cancel(promotion: string, reason = 'a test'): Promise<Answered<PromotionAnswer>> {
    const { cancelPromotion } = await this.ask<{ cancelPromotion: Answered<PromotionAnswer> }>(
      CANCEL_PROMOTION,
      { input: { promotion, reason, idempotencyKey: randomUUID() } },
    );
    return cancelPromotion;
  }

  async promotion(id: string): Promise<PromotionAnswer> {
    return (await this.ask<{ promotion: PromotionAnswer }>(PROMOTION, { id })).promotion;
  }

  /** What of a promotion is looked at again and again. */
  async glance(id: string): Promise<PromotionGlance> {
    return (await this.ask<{ promotion: PromotionGlance }>(PROMOTION_GLANCE, { id })).promotion;
  }

  async target(name: string): Promise<TargetAnswer> {
    return (await this.ask<{ target: TargetAnswer }>(TARGET, { name })).target;
  }

  /** Waits until a promotion has ended and its packet is there. */
  async untilSealed(id: string, seconds = 60): Promise<PromotionAnswer> {
    await this.untilPromotion(
      id,
      'has ended and is sealed',
      ({ state, packet }) => ENDED.includes(state) && packet !== null,
      seconds,
    );
    return this.promotion(id);
  }

  /** Waits until a step is in a state. */
  async untilStep(id: string, step: string, state = 'RUNNING', seconds = 60): Promise<void> {
    await this.untilPromotion(
      id,
      `has its step ${step} in ${state}`,
      ({ steps }) => steps.find((candidate) => candidate.id === step)?.state === state,
      seconds,
    );
  }

  /** Waits until a promotion is as wanted. */
  async untilPromotion(
    id: string,
    what: string,
    isWanted: (promotion: PromotionGlance) => boolean,
    seconds = 60,
  ): Promise<void> {
    let last: PromotionGlance | undefined;
    await waitFor(
      `promotion ${id} ${what}`,
      async () => {
        last = await this.glance(id);
        return isWanted(last);
      },
      { seconds, everyMs: this.#glanceMs },
      () => last,
    );
  }
}
