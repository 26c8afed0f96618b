import { rm, writeFile } from 'node:fs/promises';
import type { StepStage } from './step-stage.ts';
import type { StepStory } from './step-story.ts';

/** What all stories have in common whose step is a process that looks for a file, and goes on when it is gone. */
export function looksForFile(
  name: string,
): Pick<StepStory, 'prepare' | 'letGo' | 'clear' | 'hasLog'> {
  const letGo = ({ room }: StepStage): Promise<void> => rm(room.holdFile(name), { force: true });
  return {
    hasLog: true,
    prepare: ({ room }) => writeFile(room.holdFile(name), '', { mode: 0o644 }),
    letGo,
    clear: letGo,
  };
}
