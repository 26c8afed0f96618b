import type { OutboxRecord } from '@sluice/persistence';

/** Messages on their way: those to one workflow behind each other, those to different ones beside each other. */
export interface DeliveryLanes {
  /** Messages that were added and are not done. */
  readonly size: number;
  /** Takes messages on; those that are on their way already are left out (a claim ran out while they waited). */
  add(messages: readonly OutboxRecord[]): void;
  /** Resolves when all are done. */
  empty(): Promise<void>;
}

/**
 * @param deliver never rejects
 * @param onDone told after each message
 */
export function createDeliveryLanes(
  deliver: (message: OutboxRecord) => Promise<void>,
  onDone: () => void,
): DeliveryLanes {
  const underway = new Set<string>();
  const lanes = new Map<string, Promise<void>>();
  const append = (message: OutboxRecord): void => {
    const id = `${message.tenantId}/${message.outboxId}`;
    if (underway.has(id)) return;
    underway.add(id);
    const workflow = `${message.tenantId}/${message.body.workflowId}`;
    const lane = (lanes.get(workflow) ?? Promise.resolve())
      .then(() => deliver(message))
      .finally(() => {
        underway.delete(id);
        if (lanes.get(workflow) === lane) lanes.delete(workflow);
        onDone();
      });
    lanes.set(workflow, lane);
  };
  return {
    get size() {
      return underway.size;
    },
    add: (messages) => {
      for (const message of messages) append(message);
    },
    empty: async () => {
      while (lanes.size > 0) await Promise.all(lanes.values());
    },
  };
}
