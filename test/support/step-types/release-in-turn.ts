import type { StepStage } from './step-stage.ts';

/** A release that every second promotion is about. */
export function releaseInTurn({ releases }: StepStage, turn: number): { readonly release: string } {
  return { release: releases.good[turn % releases.good.length]?.id ?? '' };
}
