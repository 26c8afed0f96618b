import type {
  PipelineTemplate,
  StepTemplate,
  StepType,
  StepTypes,
  ValueSchema,
} from '@sluice/domain';
import type { ValuePath } from '../parse/positioned-node.ts';
import { type Inherited, inherit } from '../render/inherit.ts';
import { environmentOrigin, type Origin, pipelineOrigin } from '../render/origin.ts';
import { adviceOf, beginRendering, type Pipelines } from '../render/rendering.ts';
import type { Report } from './report.ts';

/** A step of a pipeline with all that it inherits, and where its members stand in the text. */
export interface VariantStep {
  readonly id: string;
  readonly step: StepTemplate;
  /** Undefined for a type that nobody has registered. */
  readonly type: StepType | undefined;
  /** In the order of the variant. */
  readonly index: number;
  /** Of a member, or of something within it; of `extends` for what another pipeline wrote. */
  place(...path: ValuePath): ValuePath;
}

/** What a pipeline is for one environment, or for all that change nothing. */
export interface Variant {
  readonly environment: string | null;
  readonly steps: readonly VariantStep[];
  /** The first one of each id. */
  readonly byId: ReadonlyMap<string, VariantStep>;
  readonly parameters: ReadonlyMap<string, { schema: ValueSchema; default?: unknown }>;
  readonly environmentValues: ReadonlyMap<string, unknown>;
}

/** What a variant is made from. */
export interface VariantSource {
  readonly template: PipelineTemplate;
  readonly pipelines: Pipelines;
  readonly stepTypes: StepTypes;
}

/** A template with its bases and one environment's overrides; null, with the problem said, when a base is missing. */
export function variantOf(
  { template, pipelines, stepTypes }: VariantSource,
  environment: string | null,
  report: Report,
): Variant | null {
  const rendering = beginRendering(pipelines, environment ?? undefined);
  const inherited = inherit(rendering, template, '');
  for (const problem of rendering.problems) {
    // What is wrong with the lists themselves is said with its places by the check of overrides.
    if (problem.at.path !== 'extends') continue;
    const { code, message } = problem;
    report.say({ code, path: ['extends'], message, suggestion: adviceOf(problem) });
  }
  if (inherited === null) return null;
  const places = createPlaces(template, environment);
  const steps = inherited.steps.map((draft, index): VariantStep => {
    const { id, members, origins, origin } = draft;
    return {
      id,
      step: { id, ...members },
      type: stepTypes.get(members.type),
      index,
      place: (...path) => {
        const [member, name] = path;
        const own = member === 'inputs' && name !== undefined ? `inputs.${name}` : String(member);
        return places(id, origins.get(own) ?? origins.get(String(member)) ?? origin, path);
      },
    };
  });
  return {
    environment,
    steps,
    byId: new Map([...steps].reverse().map((step) => [step.id, step])),
    parameters: parametersOf(inherited),
    environmentValues: new Map(
      [...inherited.environmentValues].map(([name, { value }]) => [name, value]),
    ),
  };
}

function parametersOf(inherited: Inherited): Variant['parameters'] {
  return new Map([...inherited.parameters].map(([name, { template }]) => [name, template]));
}

function createPlaces(
  template: PipelineTemplate,
  environment: string | null,
): (id: string, origin: Origin, path: ValuePath) => ValuePath {
  const own = pipelineOrigin(template);
  const ownSteps = indexOf(template.steps);
  const override =
    environment === null || !Object.hasOwn(template.environments ?? {}, environment)
      ? undefined
      : template.environments?.[environment];
  const overrideOrigin = environment === null ? null : environmentOrigin(environment, template);
  const overrideSteps = indexOf(override?.steps ?? []);
  return (id, origin, path) => {
    if (origin === own) {
      const index = ownSteps.get(id);
      if (index !== undefined) return ['steps', index, ...path];
    }
    if (origin === overrideOrigin && environment !== null) {
      const index = overrideSteps.get(id);
      if (index !== undefined) return ['environments', environment, 'steps', index, ...path];
      // A need that was bridged over a step that this environment takes out.
      const base = ownSteps.get(id);
      return base === undefined ? ['environments', environment] : ['steps', base, ...path];
    }
    return ['extends'];
  };
}

/** Places of the first step of each id. */
function indexOf(steps: readonly { readonly id: string }[]): ReadonlyMap<string, number> {
  const index = new Map<string, number>();
  for (const [at, { id }] of steps.entries()) if (!index.has(id)) index.set(id, at);
  return index;
}
