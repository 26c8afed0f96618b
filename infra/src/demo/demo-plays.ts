import type { Stack, StackOptions } from '../stack/stack-types.ts';
import { toCanaryGuide } from './canary/canary-guide.ts';
import { toCanaryDocument, toCanaryPlot, toCanaryTable } from './canary/canary-report.ts';
import { getCanaryStack } from './canary/canary-stage.ts';
import { tellCanary } from './canary/canary-story.ts';
import { toGuide } from './demo-guide.ts';
import { findPrometheus, findProxy, NO_PROXY } from './demo-proxy.ts';
import { toDocument, toTable } from './demo-report.ts';
import { getDemoStack } from './demo-stage.ts';
import type { ToldPromotion } from './demo-story.ts';
import { tellStory } from './demo-story.ts';
import { DemoError } from './release-client.ts';

/** A story that was told. */
export type Told = {
  readonly promotions: readonly ToldPromotion[];
  /** For people. */
  readonly text: string;
  /** For programs; becomes JSON. */
  readonly document: unknown;
  /** Where to look and what to type next; `from` is the folder in which the reader stands. */
  guide(from: string): string;
};

/** A story with the stack that it needs. */
export type Play = {
  stackOf(dataDir: string): Partial<StackOptions>;
  tell(stack: Stack, say: (line: string) => void): Promise<Told>;
};

/** Releases go from environment to environment. */
export const FIRST_PLAY: Play = {
  stackOf: getDemoStack,
  tell: async (stack, say) => {
    const story = await tellStory(stack, say);
    return {
      promotions: story.promotions,
      text: toTable(story),
      document: toDocument(story),
      guide: (from) => toGuide(stack, story, from),
    };
  },
};

/**
 * A release reaches few behind a real proxy, and is found out.
 *
 * @throws DemoError `demo-refused` on a machine without a proxy, saying which command installs one.
 */
export async function prepareCanary(): Promise<Play> {
  const proxy = await findProxy();
  if (proxy === undefined) {
    throw new DemoError('demo-refused', NO_PROXY);
  }
  const prometheus = await findPrometheus(proxy);
  return {
    stackOf: () => getCanaryStack(proxy, prometheus),
    tell: async (stack, say) => {
      const story = await tellCanary(
        stack,
        { proxy, prometheus: prometheus?.version ?? null },
        say,
      );
      return {
        promotions: story.promotions,
        text: `${toCanaryPlot(story)}\n\n${toCanaryTable(story)}`,
        document: toCanaryDocument(story),
        guide: (from) => toCanaryGuide(stack, story, from),
      };
    },
  };
}
