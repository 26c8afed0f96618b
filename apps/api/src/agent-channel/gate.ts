import { AgentRefusal } from './agent-refusal.ts';

/** Bounds how much of one kind goes on at once, in all and per key. */
export interface Gate {
  /** Gives the function that leaves again; throws a 429 when there is no room. */
  enter(key: string): () => void;
}

/** A gate for so many at once, and so many of one key. */
export function createGate(what: string, max: number, maxPerKey: number): Gate {
  const inside = new Map<string, number>();
  let total = 0;
  return {
    enter(key) {
      const own = inside.get(key) ?? 0;
      if (total >= max || own >= maxPerKey) {
        throw new AgentRefusal(
          429,
          'too-many-requests',
          `Too many ${what} at once (${own} of this target, ${total} in all); ask again in a moment.`,
        );
      }
      total += 1;
      inside.set(key, own + 1);
      let left = false;
      return () => {
        if (left) return;
        left = true;
        total -= 1;
        const rest = (inside.get(key) ?? 1) - 1;
        if (rest === 0) inside.delete(key);
        else inside.set(key, rest);
      };
    },
  };
}
