import type { RoutePlace } from '@sluice/domain';

/** What a route command is for. */
export interface RouteKey {
  readonly promotionId: string;
  readonly stepId: string;
  /** From 1. */
  readonly round: number;
  readonly place: RoutePlace;
  /** Target name of the router. */
  readonly router: string;
  /** From 1: the same table is asked for again where another one came in force meanwhile. */
  readonly attempt: number;
}

/** Idempotency key of a route command: `<promotion>/<step>/<round>/<place>[~<attempt>]/<router>/route`. */
export function routeKey(key: RouteKey): string {
  const { promotionId, stepId, round, place, router, attempt } = key;
  const again = attempt > 1 ? `~${attempt}` : '';
  return `${promotionId}/${stepId}/${round}/${nameOfPlace(place)}${again}/${router}/route`;
}

/** `prepare-1`, `stage-1`, `final`, `off-3`, `restore`. */
export function nameOfPlace(place: RoutePlace): string {
  switch (place.kind) {
    case 'prepare':
    case 'stage':
      return `${place.kind}-${place.stage}`;
    case 'off':
      return `off-${place.exposed}`;
    default:
      return place.kind;
  }
}

/** True where requests are taken away from the new version: what is in force is replaced, whatever it is. */
export function isPuttingBack({ kind }: RoutePlace): boolean {
  return kind === 'off' || kind === 'restore';
}

/** Reads a key of {@link routeKey}; undefined for any other. */
export function parseRouteKey(promotionId: string, key: string): RouteKey | undefined {
  if (!key.startsWith(`${promotionId}/`)) return undefined;
  const found = KEY.exec(key.slice(promotionId.length + 1))?.groups;
  const place = found === undefined ? undefined : parsePlace(found['place'] ?? '');
  if (found === undefined || place === undefined) return undefined;
  const { step: stepId = '', round, attempt = '1', router = '' } = found;
  const parsed = {
    promotionId,
    stepId,
    round: Number(round),
    place,
    router,
    attempt: Number(attempt),
  };
  return routeKey(parsed) === key ? parsed : undefined;
}

function parsePlace(text: string): RoutePlace | undefined {
  if (text === 'final' || text === 'restore') return { kind: text };
  const [kind, number] = text.split('-');
  const index = Number(number);
  if (kind === 'prepare' || kind === 'stage') return { kind, stage: index };
  return kind === 'off' ? { kind, exposed: index } : undefined;
}

const KEY =
  /^(?<step>[^/~]+)\/(?<round>[1-9]\d{0,8})\/(?<place>final|restore|(?:prepare|stage|off)-\d{1,5})(?:~(?<attempt>[1-9]\d{0,8}))?\/(?<router>[^/]+)\/route$/;
