import type {
  AgentSettings,
  DisruptionBudget,
  Environment,
  HistoryRule,
  PipelineTemplate,
  PrincipalKind,
  Role,
  Target,
} from '@sluice/domain';

/** The schema tag of a configuration file. */
export const CONFIGURATION_SCHEMA = 'sluice.config/v1';

/** A place from which components are taken. */
export interface SourceConfiguration {
  readonly name: string;
  readonly kind: 'oci-layout';
  /** Absolute path. */
  readonly location: string;
}

/** Somebody, or something, that holds a token. The token itself is nowhere in the configuration. */
export interface PrincipalConfiguration {
  readonly name: string;
  readonly role: Role;
  readonly kind: PrincipalKind;
  /** The person of this file who answers for a service account; null for a person. */
  readonly owner: string | null;
  /** `sha256:…` of each token's UTF-8 bytes; one at least. */
  readonly tokenHashes: readonly string[];
}

/** What `sluice.config.yaml` says, checked and with every default filled in. */
export interface Configuration {
  readonly tenant: string;
  readonly sources: readonly SourceConfiguration[];
  /** Published when the file is applied. */
  readonly pipelines: readonly PipelineTemplate[];
  readonly environments: readonly Environment[];
  readonly targets: readonly Target[];
  /** Proxies that requests go through, each with an agent; no name of theirs is a target's. */
  readonly routers: readonly Target[];
  /** How many targets may be away at a time, over all promotions. */
  readonly budgets: readonly DisruptionBudget[];
  readonly principals: readonly PrincipalConfiguration[];
  /** Absolute path of the enrolment key; null where agents are not enrolled by token. */
  readonly enrolmentKeyFile: string | null;
  readonly agents: AgentSettings;
  /** How long histories are kept: the first rule that fits counts; where none does, for ever. */
  readonly histories: readonly HistoryRule[];
}

/** One thing that is wrong in a configuration. */
export interface ConfigurationProblem {
  /** `environments[0].position`; empty for the file as a whole. */
  readonly path: string;
  /** What is wrong. */
  readonly what: string;
  /** What to do about it. */
  readonly how: string;
  /** True where the name at the end of the path is what is wrong, not its value. */
  readonly isUnknown?: true;
  /** Where that is in the file; both from 1. Absent for the file as a whole. */
  readonly at?: { readonly line: number; readonly column: number };
}

/** Everything that is wrong in one configuration file, at once. */
export class ConfigurationError extends Error {
  readonly code = 'configuration-invalid';
  readonly problems: readonly ConfigurationProblem[];

  constructor(file: string, problems: readonly ConfigurationProblem[]) {
    const lines = problems.map(({ path, what, how, at }) => {
      const place = at === undefined ? '' : `${at.line}:${at.column} `;
      return `  ${place}${path === '' ? '' : `${path}: `}${what}; ${how}`;
    });
    super(`${file} has ${problems.length} problem(s):\n${lines.join('\n')}`);
    this.name = 'ConfigurationError';
    this.problems = problems;
  }
}
