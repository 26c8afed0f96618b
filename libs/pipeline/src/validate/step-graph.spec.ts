import { expect, test } from '@jest/globals';
import { PIPELINE_TEMPLATE_SCHEMA, type StepTemplate } from '@sluice/domain';
import { SAMPLE_STEP_TYPES } from '../testing/sample-step-types.ts';
import { seededRandom } from '../testing/seeded-random.ts';
import { answerAncestors, createStepGraph } from './step-graph.ts';
import { validatePipeline } from './validate-pipeline.ts';

const source = { source: 'x' };

/** A chain in which each step reads the one before it and another one far away. */
function chain(length: number): readonly StepTemplate[] {
  return Array.from({ length }, (_, index) => {
    const far = (index * 7919) % Math.max(1, index);
    return {
      id: `s${index}`,
      type: 'build@1',
      needs: index === 0 ? [] : [`s${index - 1}`],
      inputs: index === 0 ? source : { source: { ref: `steps.s${far}.outputs.digest` } },
    };
  });
}

function workOf(length: number): number {
  const template = {
    schema: PIPELINE_TEMPLATE_SCHEMA,
    name: 'long',
    version: 1,
    steps: chain(length),
  } as const;
  const work = { steps: 0 };
  expect(validatePipeline(template, { stepTypes: SAMPLE_STEP_TYPES, work })).toEqual([]);
  return work.steps;
}

test('a thousand steps in a chain are fine', () => {
  expect(workOf(1000)).toBeLessThanOrEqual((1000 * 1000) / 32 + 1000);
});

test('five thousand steps, each of which reads a far one, look at each need once for each 32 read', () => {
  expect(workOf(5000)).toBeLessThanOrEqual((5000 * 5000) / 32 + 5000);
});

test('steps that all read one far step look at each need once', () => {
  const needs = Array.from({ length: 5000 }, (_, index) => (index === 0 ? [] : [index - 1]));
  const questions = needs.slice(2).map((_, index) => ({ step: index + 2, before: 0 }));
  const work = { steps: 0 };
  expect(answerAncestors(createStepGraph(needs), questions, work).every(Boolean)).toBe(true);
  expect(work.steps).toBe(4999);
});

const seed = Number(process.env.SLUICE_TEST_SEED ?? Date.now() % 1_000_000);

test(`order and questions agree with a plain search on random graphs, seed ${seed}`, () => {
  const random = seededRandom(seed);
  for (let round = 0; round < 60; round += 1) {
    const size = 1 + random(40);
    // Some of them have cycles.
    const reach = round % 3 === 0 ? size : undefined;
    const needs = Array.from({ length: size }, (_, index) => {
      const most = reach ?? index;
      const count = most === 0 ? 0 : random(4);
      return [...new Set(Array.from({ length: count }, () => random(most)))];
    });
    const graph = createStepGraph(needs);
    const ranks = new Map(graph.order.map((step, rank) => [step, rank]));
    for (const step of graph.order) {
      for (const need of needs[step] ?? []) {
        expect(ranks.get(need)).toBeLessThan(ranks.get(step) as number);
      }
    }
    for (const cycle of graph.cycles) {
      for (const [at, step] of cycle.entries()) {
        expect(needs[step]).toContain(cycle[(at + 1) % cycle.length]);
      }
    }
    expect(graph.cycles.length === 0).toBe(graph.order.length === size);
    if (graph.cycles.length > 0) continue;
    const questions = Array.from({ length: 80 }, () => ({
      step: random(size),
      before: random(size),
    }));
    expect(answerAncestors(graph, questions)).toEqual(
      questions.map(({ step, before }) => search(needs, step, before)),
    );
  }
});

function search(needs: readonly (readonly number[])[], step: number, before: number): boolean {
  return (needs[step] ?? []).some((need) => need === before || search(needs, need, before));
}
