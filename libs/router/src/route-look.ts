import type { RouteDocument, RouteDriver, ServedRoutes } from './route-driver.ts';
import type { RouteState } from './route-state.ts';

/** What was found at a proxy: what stands there to be read, and what is served. */
export interface RouteLook {
  readonly text: string | null;
  readonly served: ServedRoutes;
}

/** True when a document stands there, is served, and nothing else was changed. */
export function isServed(driver: RouteDriver, look: RouteLook, document: RouteDocument): boolean {
  const mark = document.table === null ? (document.mark ?? null) : driver.markOf(document.table);
  const { served, text } = look;
  return (
    served.up && served.altered === undefined && served.mark === mark && text === document.text
  );
}

/** What someone changed by hand, in a sentence that can be shown; undefined when nobody did. */
export function findForeign(
  driver: RouteDriver,
  state: RouteState,
  look: RouteLook,
): string | undefined {
  if (state.base === undefined) return undefined;
  const known = [state.base, state.current?.text, state.pending?.text];
  const altered = look.served.up ? look.served.altered : undefined;
  const isKnown = known.includes(look.text);
  if (isKnown && (altered === undefined || state.pending !== undefined)) return undefined;
  const what = isKnown ? altered : 'its routes are not those that were put there';
  return `${driver.label} was edited by hand: ${what}. Put back what was there, or move the router's state folder away to begin anew.`;
}

/** The document of what is in force: a table of ours, or what stood there before us. */
export function currentDocument(state: RouteState): RouteDocument {
  return state.current ?? { text: state.base ?? null, table: null, mark: state.baseMark ?? null };
}

/** A state without the change that was begun. */
export function withoutPending({ pending: _, ...state }: RouteState): RouteState {
  return state;
}
