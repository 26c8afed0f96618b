import type { StepCapability, StepTypeRef, StepTypes } from '@sluice/domain';
import { hasEvidence, withTenant } from '@sluice/persistence';
import type { SignerClient } from '@sluice/signing';
import type { ActivityDependencies } from '../dependencies.ts';

/** What a step type can be built of: each is handed what its manifest's capabilities name, and nothing else. */
export interface StepTypeParts extends ActivityDependencies {
  /** True when a blob belongs to the tenant: what lies in the evidence store can be another one's. */
  readonly ownsEvidence: (tenantId: string, digest: string) => Promise<boolean>;
}

type PartName = keyof StepTypeParts;

/** Parts without any reach. */
const OF_ALL: readonly PartName[] = ['logger', 'scope', 'observe', 'now'];

/** The parts that each capability hands over. */
const PARTS_OF: Readonly<Record<StepCapability, readonly PartName[]>> = {
  records: ['pool', 'signer'],
  evidence: ['evidence', 'ownsEvidence'],
  scanner: ['scanner'],
  policy: ['decisions'],
  agents: ['signer'],
  nix: ['nix', 'nixTrouble'],
  sandbox: ['sandbox'],
  network: ['fetchUrl', 'outbound', 'channels'],
  secrets: ['secrets'],
  // Releases are records, made through the same connections.
  releases: [],
};

/**
 * The parts that a step type is built of. Whatever its manifest does not name is not there: to ask for it throws a `TypeError` that says which
 * capability is missing. With `records` alone the signer signs statements, and no command to an agent.
 * @throws TypeError for a type without a manifest
 */
export function partsForStep(
  parts: ActivityDependencies,
  type: StepTypeRef,
  manifests: StepTypes,
): StepTypeParts {
  const manifest = manifests.get(type);
  if (manifest === undefined) {
    throw new TypeError(`Step type ${type} has no manifest: register it in libs/pipeline first.`);
  }
  const { capabilities } = manifest;
  const granted = new Set([...OF_ALL, ...capabilities.flatMap((name) => PARTS_OF[name])]);
  const all: StepTypeParts = {
    ...parts,
    signer: signerFor(parts, type, capabilities),
    ownsEvidence: (tenantId, digest) =>
      withTenant(parts.pool, tenantId, (tx) => hasEvidence(tx, digest), { readOnly: true }),
  };
  const handed = Object.fromEntries(Object.entries(all).filter(([name]) => isPart(granted, name)));
  for (const name of new Set(Object.values(PARTS_OF).flat())) {
    if (granted.has(name)) continue;
    Object.defineProperty(handed, name, {
      get: () => {
        throw refusal(type, name);
      },
    });
  }
  return Object.freeze(handed) as unknown as StepTypeParts;
}

function isPart(granted: ReadonlySet<PartName>, name: string): boolean {
  return granted.has(name as PartName);
}

function signerFor(
  { signer }: ActivityDependencies,
  type: StepTypeRef,
  capabilities: readonly StepCapability[],
): SignerClient {
  const refuse = (): never => {
    throw refusal(type, 'signer');
  };
  const commands = capabilities.includes('agents');
  return {
    signStatement: (request) => signer.signStatement(request),
    signHistory: refuse,
    readTrustRoot: () => signer.readTrustRoot(),
    signCommand: commands ? (request) => signer.signCommand(request) : refuse,
  };
}

function refusal(type: StepTypeRef, part: PartName): TypeError {
  const capabilities = (Object.keys(PARTS_OF) as StepCapability[]).filter((name) =>
    PARTS_OF[name].includes(part),
  );
  return new TypeError(
    `Step type ${type} is not given ${part}: its manifest names none of ${capabilities.join(', ')}.`,
  );
}
