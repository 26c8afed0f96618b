import type { StepStage } from './step-stage.ts';
import type { StepStory } from './step-story.ts';

/** What all stories have in common that stand in the transaction that writes their step's effect record. */
export function standsInRecords(
  step: string,
): Pick<StepStory, 'step' | 'prepare' | 'stand' | 'letGo' | 'clear' | 'isLetGoWhenCancelled'> {
  const keyOf = (promotion: string): string => `effects:${promotion}/${step}`;
  const letGo = ({ holds }: StepStage): Promise<void> => holds.releaseAll();
  return {
    step,
    isLetGoWhenCancelled: true,
    prepare: ({ holds }, promotion) => holds.hold(keyOf(promotion)),
    stand: ({ holds }, promotion) => holds.untilReached(keyOf(promotion)),
    letGo,
    clear: letGo,
  };
}
