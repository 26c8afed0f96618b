import { expect, test } from '@jest/globals';
import { composeCourse, MAX_TEMPLATE_STEPS, type PipelineTemplate, Schedule } from '@sluice/domain';
import {
  BUILT_IN_STEP_TYPES,
  explainPipeline,
  type PromotionPipeline,
  parsePipeline,
  resolveForPromotion,
  validatePipeline,
} from '@sluice/pipeline';
import { findConditionReads } from '@sluice/pure';
import { composeLargeDag, type DagNode } from './large-dag.ts';

/*
 * The way of a pipeline of 5,000 steps up to its course: what each part of it costs, and what a larger one is told.
 */
const SEED = 20261122;

/** Of the processor, for everything that one test below asks: it takes a fraction. Seconds. */
const PATIENCE = 20;

/** Seconds of the processor since a moment: those of the wall say what else the machine does. */
function secondsSince(begun: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(begun);
  return (user + system) / 1_000_000;
}

function yamlOf(nodes: readonly DagNode[]): string {
  const steps = nodes.map(
    ({ id, needs }) => `  - {id: ${id}, type: noop@1, needs: [${needs.join(', ')}]}`,
  );
  return ['schema: sluice.pipeline/v2', 'name: large', 'version: 1', 'steps:', ...steps, ''].join(
    '\n',
  );
}

function read(nodes: readonly DagNode[]): PipelineTemplate {
  const parsed = parsePipeline(yamlOf(nodes));
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems.slice(0, 3)));
  return parsed.template;
}

function resolve(template: PipelineTemplate): PromotionPipeline {
  return resolveForPromotion(template, {
    environment: 'dev',
    parameters: {},
    pipelines: new Map(),
    stepTypes: BUILT_IN_STEP_TYPES,
    deadlineSeconds: 86_400,
  });
}

test('5,000 steps are read, checked, rendered and made a course in moments, and the course fits the engine', () => {
  const nodes = composeLargeDag(MAX_TEMPLATE_STEPS, SEED);
  const begun = process.cpuUsage();
  const template = read(nodes);
  expect(validatePipeline(template, { stepTypes: BUILT_IN_STEP_TYPES })).toEqual([]);
  const resolved = resolve(template);
  if (!resolved.ok) throw new Error(JSON.stringify(resolved.problems.slice(0, 3)));
  const reads = findConditionReads(resolved.pipeline, () => false);
  const course = composeCourse(resolved.pipeline, BUILT_IN_STEP_TYPES, reads);
  const schedule = new Schedule(course.steps.map((step) => ({ ...step, compensate: false })));
  const took = secondsSince(begun);
  expect(course.steps).toHaveLength(MAX_TEMPLATE_STEPS);
  expect([...schedule.dueToRun()]).toHaveLength(100);
  const bytes = Buffer.byteLength(JSON.stringify(course));
  console.info(
    `${nodes.length} steps: ${took.toFixed(1)} s of the processor, a course of ${bytes} bytes`,
  );
  // Above 1.8 MB the promotion would be refused when it freezes its rules.
  expect(bytes).toBeLessThan(1_700_000);
  expect(took).toBeLessThan(PATIENCE);
});

test('they can be looked at: the explanation and its drawing end as well', () => {
  const begun = process.cpuUsage();
  const resolved = resolve(read(composeLargeDag(MAX_TEMPLATE_STEPS, SEED)));
  if (!resolved.ok) throw new Error('It was taken before.');
  expect(explainPipeline(resolved.pipeline)).toContain('s4999');
  expect(secondsSince(begun)).toBeLessThan(PATIENCE);
});

test('5,001 steps are refused, and so is one cycle among 5,000, each with one problem', () => {
  const begun = process.cpuUsage();
  const tooMany = parsePipeline(yamlOf(composeLargeDag(MAX_TEMPLATE_STEPS + 1, SEED)));
  expect(tooMany.ok ? [] : tooMany.problems).toMatchObject([
    { code: 'steps-too-many', message: 'steps has more than 5000 members.' },
  ]);
  const nodes = composeLargeDag(MAX_TEMPLATE_STEPS, SEED);
  const ring = nodes.map((node, index) => (index === 0 ? { ...node, needs: ['s4999'] } : node));
  const problems = validatePipeline(read(ring), { stepTypes: BUILT_IN_STEP_TYPES });
  expect(problems.map(({ code }) => code)).toContain('pipeline-cycle');
  expect(secondsSince(begun)).toBeLessThan(PATIENCE);
});

test('a text with more edges than can be read is refused before anything is made of it', () => {
  const begun = process.cpuUsage();
  const dense = composeLargeDag(MAX_TEMPLATE_STEPS, SEED).map(({ id }, index) => ({
    id,
    needs: Array.from({ length: Math.min(index, 60) }, (_, at) => `s${index - 1 - at}`),
  }));
  const parsed = parsePipeline(yamlOf(dense));
  expect(parsed.ok).toBe(false);
  if (parsed.ok) return;
  expect(parsed.problems.map(({ code }) => code)).toEqual(['text-too-large']);
  expect(secondsSince(begun)).toBeLessThan(PATIENCE);
});
