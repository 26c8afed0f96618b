import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PIPELINE_TEMPLATE_SCHEMA, type PipelineTemplate } from '@sluice/domain';
import { stringify } from 'yaml';
import { startTestStack, type TestStack } from '../e2e-stack.ts';
import { type HoldPoints, installHoldPoints } from '../hold-points.ts';
import { makePipelineWorld, type PipelineWorld } from '../pipeline-world.ts';
import { serviceImage } from '../service-images.ts';
import { type MadeRelease, StackClient } from '../stack-client.ts';
import { type EffectReceiver, startEffectReceiver } from './effect-receiver.ts';
import type { StepStory, StoryRoom } from './step-story.ts';

/** The channel that leads to the receiver. */
export const STORY_CHANNEL = 'story';

/** One stack on which stories are told, with the world around it. */
export interface StepStage {
  readonly made: TestStack;
  readonly room: StoryRoom;
  readonly receiver: EffectReceiver;
  readonly holds: HoldPoints;
  /** As the release manager. */
  readonly client: StackClient;
  readonly approver: StackClient;
  readonly releases: {
    /** Taken in turn, so that each deployment changes something. */
    readonly good: readonly MadeRelease[];
    /** Its image is the one that the scanner is told to hold. */
    readonly held: MadeRelease;
  };
  /** Ends every process and removes every file. */
  remove(): Promise<void>;
}

/** Starts the stack that some stories need, and no more than they need. */
export async function openStepStage(stories: readonly StepStory[]): Promise<StepStage> {
  const receiver = await startEffectReceiver();
  let world: PipelineWorld | undefined;
  let made: TestStack | undefined;
  let holds: HoldPoints | undefined;
  const remove = async (): Promise<void> => {
    await holds?.close();
    await made?.remove();
    await world?.remove();
    await receiver.close();
  };
  try {
    const there = await makePipelineWorld([]);
    world = there;
    const room: StoryRoom = {
      receiverUrl: receiver.url,
      receiverPort: receiver.port,
      holdFile: (name) => join(there.tools, `hold-${name}`),
    };
    await writeChannels(there, receiver);
    made = await startTestStack({
      images: [serviceImage('1.0.0'), serviceImage('2.0.0'), serviceImage('3.0.0')],
      scannerMode: 'clean',
      pipelines: await writePipelines(there, stories, room),
      environments: stories.map(({ name, isApproved }, position) => ({
        ...{ name, position, after: [], pipeline: name },
        // A killed worker is noticed after 20 s, and the machine may be busy.
        deadlines: { verifySeconds: 120 },
        ...(isApproved ? { approval: { roles: ['approver'] as const } } : {}),
      })),
      targets: stories.map(({ name, hasAgent = false, settings }) => ({
        ...{ name: targetOf(name), environment: name, agent: hasAgent },
        settings: settings?.(room) ?? {},
      })),
      principals: [
        { name: 'release-manager', role: 'release-manager' },
        { name: 'approver', role: 'approver' },
      ],
      env: { worker: { ...there.workerEnv, SLUICE_WATCHDOG_SECONDS: '5' } },
    });
    const { stack, client } = made;
    holds = await installHoldPoints(stack.databaseUrls['postgres'] ?? '');
    const good = [await client.release('1.0.0'), await client.release('2.0.0')];
    const held = await client.release('3.0.0');
    const approver = new StackClient(stack, 'approver');
    return { made, room, receiver, holds, client, approver, releases: { good, held }, remove };
  } catch (error) {
    await remove().catch(() => undefined);
    throw error;
  }
}

/** The target of a story's environment. */
export function targetOf(story: string): string {
  return `host-${story}`;
}

async function writeChannels(world: PipelineWorld, { url }: EffectReceiver): Promise<void> {
  const channel = { kind: 'webhook', url: `${url}/notify` };
  await writeFile(
    world.workerEnv['SLUICE_NOTIFY_CHANNELS'] ?? '',
    JSON.stringify({
      schema: 'sluice.notify-channels/v1',
      tenants: { demo: { [STORY_CHANNEL]: channel } },
    }),
  );
}

async function writePipelines(
  { folder }: PipelineWorld,
  stories: readonly StepStory[],
  room: StoryRoom,
): Promise<readonly string[]> {
  const templates = stories.flatMap((story) => pipelinesOf(story, room));
  return Promise.all(
    templates.map(async (template) => {
      const file = join(folder, `${template.name}.yaml`);
      await writeFile(file, stringify(template));
      return file;
    }),
  );
}

/** The step that shows whether a story's pipeline went on after the one that it is about. */
export const AFTERWARDS = 'afterwards';

/** The pipelines of a story; what it contains comes before the one that its environment has. */
export function pipelinesOf(story: StepStory, room: StoryRoom): readonly PipelineTemplate[] {
  const steps = story.steps(room);
  const last = steps.at(-1)?.id;
  const inner = story.inner?.(room);
  const parameters = (story.parameters ?? []).map((name) => [
    name,
    { schema: { type: 'string' as const, minLength: 1, maxLength: 128 } },
  ]);
  const whole: PipelineTemplate = {
    schema: PIPELINE_TEMPLATE_SCHEMA,
    name: story.name,
    version: 1,
    ...(parameters.length === 0 ? {} : { parameters: Object.fromEntries(parameters) }),
    steps: [
      ...steps,
      { id: AFTERWARDS, type: 'noop@1', ...(last === undefined ? {} : { needs: [last] }) },
    ],
  };
  return inner === undefined ? [whole] : [inner, whole];
}
