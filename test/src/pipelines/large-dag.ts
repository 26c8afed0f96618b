import { mulberry32 } from '../../support/event-kills/kill-cases.ts';

/** One step of a large pipeline. */
export interface DagNode {
  readonly id: string;
  readonly needs: readonly string[];
}

/** Steps of one layer. */
const WIDTH = 100;

/** Layers of steps, each step needing one to three of the layer before; the same seed gives the same ones. */
export function composeLargeDag(count: number, seed: number): readonly DagNode[] {
  const random = mulberry32(seed);
  return Array.from({ length: count }, (_, index) => {
    const before = Math.floor(index / WIDTH) * WIDTH - WIDTH;
    const wanted = before < 0 ? 0 : 1 + Math.floor(random() * 3);
    const needs = new Set(
      Array.from({ length: wanted }, () => `s${before + Math.floor(random() * WIDTH)}`),
    );
    return { id: `s${index}`, needs: [...needs].sort() };
  });
}
