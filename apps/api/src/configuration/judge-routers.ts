import { isRollout, type ResolvedPipeline, type Target } from '@sluice/domain';
import type { ValueReader } from './value-reader.ts';

/**
 * Notes rollouts of an environment's pipeline that move requests of a router which the environment does not have: they would fail when they
 * begin.
 * @param path of the environment
 * @param routers all of the configuration's
 */
export function judgeRouters(
  reader: ValueReader,
  path: string,
  environment: string,
  { steps, parameters }: ResolvedPipeline,
  routers: readonly Target[],
): void {
  const own = routers.filter((router) => router.environment === environment);
  const names = own.map(({ name }) => name);
  for (const { id, type, inputs } of steps) {
    const { ref } = (inputs.router ?? {}) as { readonly ref?: unknown };
    // A parameter's value stands as its default by now; what another step gives is known when that ran.
    const [, parameter = ''] = /^parameters\.(\w+)$/.exec(String(ref)) ?? [];
    const router = ref === undefined ? inputs.router : parameters[parameter]?.default;
    if (!isRollout(type) || typeof router !== 'string' || names.includes(router)) continue;
    const known = names.length === 0 ? 'it has none' : `it has ${names.join(', ')}`;
    reader.refuse(
      `${path}.pipeline`,
      `its step ${id} moves requests of the router ${router}, and ${environment} has no such one [router-unknown]`,
      `declare it under \`routers\` (${known}), or name another`,
    );
  }
}
