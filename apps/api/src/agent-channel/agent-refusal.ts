import { IntrinsicException } from '@nestjs/common';
import type { Refusal } from '@sluice/domain';

/** What the agent channel answers instead of 200: `{code, message}` with a status. */
export class AgentRefusal extends IntrinsicException {
  readonly code: string;
  readonly status: number;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.name = 'AgentRefusal';
    this.code = code;
    this.status = status;
  }
}

/** A refusal of a verification as an answer. */
export function refuse(status: number, refusal: Refusal): AgentRefusal {
  return new AgentRefusal(status, refusal.code, refusal.message);
}
