import { fileURLToPath } from 'node:url';
import { getTool, type SteadyLoad, startLoad } from '@sluice/infra';
import { type ProgramEnd, runSluice } from '../cli.ts';
import { startTestStack, type TestStack } from '../e2e-stack.ts';
import { waitFor } from '../wait-for.ts';

const PIPELINES = ['../../../examples/rollouts/canary.yaml', './quick-canary.yaml'];
const ENVIRONMENT = 'shop';
const ROUTER = 'edge';
const PER_SECOND = 60;

/** The targets behind the router. */
export const WEB: readonly string[] = ['web-1', 'web-2', 'web-3', 'web-4'];

/** Where a rollout stands, as the API tells it. */
export interface RolloutGlance {
  readonly state: string;
  readonly stage: number;
  readonly phase: string;
  readonly reason: { readonly code: string; readonly message: string } | null;
  readonly stages: readonly {
    readonly name: string;
    readonly state: string;
    readonly analysis: { readonly outcome: string } | null;
  }[];
  readonly routeChanges: readonly { readonly canaryPermille: number; readonly state: string }[];
}

const ROLLOUT = `query ($id: ID!) { promotion(id: $id) { rollouts {
  state stage phase reason { code message } stages { name state analysis { outcome } }
  routeChanges { canaryPermille state }
} } }`;

/** Four hosts behind a real HAProxy, and what a test does with them. */
export interface RolloutWorld extends TestStack {
  /** Of the proxy. */
  readonly url: string;
  /** Makes the release where there is none yet, and requests its promotion; gives that one's id. */
  begin(version: string): Promise<string>;
  /** Waits until the rollout is as wanted. */
  untilRollout(
    id: string,
    what: string,
    isWanted: (rollout: RolloutGlance) => boolean,
    seconds?: number,
  ): Promise<RolloutGlance>;
  rollout(id: string): Promise<RolloutGlance | undefined>;
  /** `sluice …` as the release manager. */
  cli(...args: readonly string[]): Promise<ProgramEnd>;
  /** Versions that the targets' services answer with, in order; null where nothing answers. */
  listAnswers(): Promise<readonly (string | null)[]>;
  load(): SteadyLoad;
}

/** Starts it; 1.3.0 answers more than half of its requests with errors here, so that few samples show it. */
export async function startRolloutWorld(): Promise<RolloutWorld> {
  const { path: executable } = await getTool('haproxy');
  const releases = new Map<string, string>();
  const made = await startTestStack({
    pipelines: PIPELINES.map((file) => fileURLToPath(new URL(file, import.meta.url))),
    scannerMode: 'clean',
    environments: [
      {
        ...{ name: ENVIRONMENT, position: 1, pipeline: 'quick-canary' },
        parameters: { router: ROUTER, soakSeconds: 25, intervalSeconds: 5 },
      },
    ],
    targets: WEB.map((name) => ({
      ...{ name, environment: ENVIRONMENT, probe: { path: '/', everyMs: 100 } },
      settings: { TARGET: name, GREETING_ERROR_PERCENT: '60', GREETING_DELAY_MS: '5' },
    })),
    routers: [
      { name: ROUTER, environment: ENVIRONMENT, kind: 'haproxy', backend: 'hello', executable },
    ],
  });
  const { stack, client } = made;
  const url = `http://127.0.0.1:${stack.getRouterPort(ROUTER)}/`;
  const rollout = async (id: string): Promise<RolloutGlance | undefined> => {
    const { promotion } = await client.ask<{ promotion: { rollouts: RolloutGlance[] } }>(ROLLOUT, {
      id,
    });
    return promotion.rollouts.at(-1);
  };
  return {
    ...made,
    url,
    rollout,
    begin: async (version) => {
      const known = releases.get(version);
      const id = known ?? (await client.release(version, 'samples', 'hello')).id;
      releases.set(version, id);
      return client.request(id, ENVIRONMENT);
    },
    untilRollout: async (id, what, isWanted, seconds = 120) => {
      let last: RolloutGlance | undefined;
      await waitFor(
        `the rollout of ${id} ${what}`,
        async () => {
          last = await rollout(id);
          return last !== undefined && isWanted(last);
        },
        { seconds },
        () => last,
      );
      return last as RolloutGlance;
    },
    cli: (...args) =>
      runSluice(args, {
        SLUICE_API_URL: stack.apiUrl,
        SLUICE_TOKEN: stack.tokens['release-manager'] ?? '',
      }),
    listAnswers: () =>
      Promise.all(
        WEB.map(async (target) => {
          const port = stack.getServicePort(target);
          const answer = await fetch(`http://127.0.0.1:${port}/healthz`).catch(() => undefined);
          return answer?.headers.get('x-version') ?? null;
        }),
      ),
    load: () => startLoad({ url, perSecond: PER_SECOND }),
  };
}
