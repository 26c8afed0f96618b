import { expect, test } from '@jest/globals';
import { mayLookIntoTexts } from './condition-texts.ts';
import { findHead } from './history-head.ts';
import type { History } from './history-message.ts';
import { readHistoryFile } from './read-history-file.ts';
import { redactedHistoryText, redactHistory } from './redact-history.ts';

const json = (value: unknown) => ({
  metadata: { encoding: Buffer.from('json/plain') },
  data: Buffer.from(JSON.stringify(value)),
});

/** A history in which activities gave these values, one after the other. */
function historyOf(...values: readonly unknown[]): History {
  const completed = values.map((value, index) => ({
    eventId: 2 + index,
    eventType: 12,
    activityTaskCompletedEventAttributes: { result: { payloads: [json(value)] } },
  }));
  const started = { eventId: 1, eventType: 1, workflowExecutionStartedEventAttributes: {} };
  return { events: [started, ...completed] } as unknown as History;
}

const courseOf = (...conditions: readonly string[]) => ({
  pipeline: { steps: conditions.map((condition, index) => ({ id: `s${index}`, if: condition })) },
  parameters: { mood: 'gloomy people', colour: 'deep red', size: 3, deep: [{ zone: 'x y' }] },
  facts: { release: { name: 'shop', version: '1.0.0' } },
});

async function redacted(...values: readonly unknown[]): Promise<{
  readonly values: readonly unknown[];
  readonly document: string;
}> {
  const history = historyOf(...values);
  const head = findHead({ workflowId: 'promotion/acme/dev/1', history });
  const document = redactedHistoryText(await redactHistory(history, head));
  const { history: again } = await readHistoryFile(Buffer.from(document));
  const texts = (again.events ?? []).flatMap(
    (event) => event.activityTaskCompletedEventAttributes?.result?.payloads ?? [],
  );
  return {
    document,
    values: texts.map(({ data }) => JSON.parse(Buffer.from(data ?? []).toString())),
  };
}

test('what is equal stays equal, and what is not stays so', async () => {
  const { values } = await redacted(courseOf('parameters.colour == steps.a.outputs.colour'), {
    values: { colour: 'deep red', other: 'deep green', mood: 'gloomy people', none: '', on: true },
  });
  expect(values).toMatchObject([
    { parameters: { mood: 'text-1', colour: 'text-2', size: 3, deep: [{ 'text-3': 'text-4' }] } },
    { values: { colour: 'text-2', other: 'text-5', mood: 'text-1', none: '', on: true } },
  ]);
});

test('what a condition names stays, and so does what the release is called', async () => {
  const { values } = await redacted(
    courseOf(
      'steps.a.outputs.x == "certainly so"',
      "parameters.mood != 'it''s' && steps.a.outputs.y in [r'raw\\n', \"quo\\\"ted\"]",
    ),
    {
      values: {
        ...{ x: 'certainly so', y: 'raw\\n', z: 'quo"ted', name: 'shop', v: '1.0.0' },
        secret: 'swordfish',
      },
    },
  );
  expect(values[1]).toEqual({
    values: {
      ...{ x: 'certainly so', y: 'raw\\n', z: 'quo"ted', name: 'shop', v: '1.0.0' },
      secret: 'text-5',
    },
  });
});

test('names inside of what conditions read are renamed like texts, but for those that are declared or named', async () => {
  const hosts = {
    'eu-7.corp': { zone: 'eu-7.corp' },
    colour: 'red',
    'text-9': 1,
    owner: 'ann',
    if: '"ann"',
  };
  const { values, document } = await redacted(
    courseOf('parameters.hosts[parameters.mood].zone == "text-9" && parameters.hosts.colour != ""'),
    { parameters: { mood: 'eu-7.corp', colour: 'owner', hosts }, values: { owner: hosts } },
    {
      pipeline: {
        steps: [
          { inputs: { until: { ref: 'steps.a.outputs.due' } } },
          { inputs: { other: { cel: '"gloomy people"' } } },
        ],
      },
    },
    { values: [{ 'eu-7.corp': 'gloomy people' }], 'what is no name': 1 },
  );
  const renamed = {
    'text-4': { zone: 'text-4' },
    colour: 'text-5',
    'text-9': 1,
    owner: 'text-6',
    'text-7': 'text-8',
  };
  expect(values.slice(1)).toMatchObject([
    { parameters: { mood: 'text-4', colour: 'owner', hosts: renamed }, values: { owner: renamed } },
    {},
    { values: [{ 'text-4': 'text-1' }] },
  ]);
  expect(document).not.toContain('corp');
  const again = await readHistoryFile(Buffer.from(document));
  expect(redactedHistoryText(await redactHistory(again.history, again.head))).toBe(document);
});

test('no new name is one that stays', async () => {
  const { values } = await redacted(courseOf('steps.a.outputs.x == "text-1"'), {
    values: { x: 'text-1', y: 'text-2' },
  });
  const [course, step] = values as [
    { parameters: Record<string, unknown> },
    { values: Record<string, unknown> },
  ];
  expect(course.parameters.mood).toBe('text-2');
  expect(step.values).toEqual({ x: 'text-1', y: 'text-6' });
});

test('redacted once more it is the same', async () => {
  const { document } = await redacted(courseOf('steps.a.outputs.x == "text-1"', 'true'), {
    values: { x: 'text-1', y: 'text-2', z: 'deep red' },
  });
  const again = await readHistoryFile(Buffer.from(document));
  expect(redactedHistoryText(await redactHistory(again.history, again.head))).toBe(document);
});

test('a long condition, one of several lines and one in another script stay readable', async () => {
  const long = `parameters.mood == "a" ${'|| parameters.mood == "b" '.repeat(40)}`.trim();
  const conditions = [long, 'true &&\n  true', 'parameters.mood == "Grüße"'];
  const { values } = await redacted(courseOf(...conditions));
  const { pipeline } = values[0] as { pipeline: { steps: readonly { if: string }[] } };
  expect(pipeline.steps.map((step) => step.if)).toEqual(conditions);
});

test.each([
  ['steps.a.outputs.x == "a < b"', false],
  ['parameters.mood != steps.a.outputs.mood', false],
  ['steps.a.outputs.x in ["a", "b"]', false],
  ['steps.a.outputs.x.startsWith("a")', true],
  ['size(parameters.mood) > 3', true],
  ['steps.a.outputs.x < steps.b.outputs.x', true],
  ['steps.a.outputs.x + "b" == "ab"', true],
])('whether %s looks into texts: %s', (condition, looks) => {
  expect(mayLookIntoTexts(historyOf(courseOf(condition)))).toBe(looks);
});
