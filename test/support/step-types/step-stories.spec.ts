import { expect, test } from '@jest/globals';
import { BUILT_IN_STEP_TYPES, parsePipeline, validatePipeline } from '@sluice/pipeline';
import { stringify } from 'yaml';
import { pipelinesOf } from './step-stage.ts';
import { allRounds, sampleRounds } from './step-stories.ts';
import { COMMON_FAULTS, type StoryRoom } from './step-story.ts';
import { STEP_STORIES } from './stories.generated.ts';

const ROOM: StoryRoom = {
  receiverUrl: 'http://127.0.0.1:4711',
  receiverPort: 4711,
  holdFile: (name) => `/opt/hold-${name}`,
};

test('every registered step type has a story, and meets every common fault', () => {
  const rounds = allRounds();
  for (const type of BUILT_IN_STEP_TYPES.keys()) {
    const faults = rounds
      .filter(({ stories }) => stories.some((story) => story.type === type))
      .map(({ fault }) => fault);
    expect([type, faults]).toEqual([type, expect.arrayContaining([...COMMON_FAULTS])]);
  }
  expect(new Set(STEP_STORIES.map(({ name }) => name)).size).toBe(STEP_STORIES.length);
});

test('the same seed draws the same few, another one others, each of a type of its own', () => {
  const drawn = sampleRounds(1).map(({ stories }) => stories.map(({ type }) => type));
  expect(sampleRounds(1).map(({ stories }) => stories.map(({ type }) => type))).toEqual(drawn);
  expect(sampleRounds(2).map(({ stories }) => stories.map(({ type }) => type))).not.toEqual(drawn);
  expect(drawn.flat().length).toBeLessThanOrEqual(8);
  const seen = new Set(
    Array.from({ length: 200 }, (_, seed) =>
      sampleRounds(seed).flatMap(({ fault, stories }) =>
        stories.map(({ name }) => `${fault} ${name}`),
      ),
    ).flat(),
  );
  for (const { name } of STEP_STORIES) expect(seen).toContain(`worker ${name}`);
});

test.each(STEP_STORIES.map((story) => [story.name, story] as const))(
  'the pipeline of %s is without fault, and has the step that it is about',
  (_, story) => {
    const templates = pipelinesOf(story, ROOM);
    const pipelines = new Map(templates.map((one) => [`${one.name}@${one.version}`, one]));
    for (const template of templates) {
      expect(parsePipeline(stringify(template))).toMatchObject({ ok: true });
      const problems = validatePipeline(template, { stepTypes: BUILT_IN_STEP_TYPES, pipelines });
      expect(problems.filter(({ severity }) => severity !== 'warning')).toEqual([]);
    }
    const types = templates.flatMap(({ steps }) => steps.map(({ type }) => type as string));
    expect(types).toContain(story.type);
  },
);
