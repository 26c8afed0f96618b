import type { IncomingMessage, ServerResponse } from 'node:http';

/** What one question was, and whose. */
export type FakeQuestion = {
  readonly name: string | undefined;
  readonly token: string | undefined;
  readonly variables: Readonly<Record<string, unknown>>;
};

/** A promotion as this fake keeps it. */
export type FakePromotion = {
  readonly id: string;
  readonly kind: string;
  readonly environment: string;
  readonly version: string;
  readonly state: string;
  /** What runs in its environment when it has ended. */
  readonly runs: string;
};

const PIPELINE = ['scan', 'gate', 'plan', 'deploy', 'verify'];
const ENDINGS: Readonly<Record<string, Partial<FakePromotion>>> = {
  'dev/2': { state: 'DENIED', runs: '1.0.0' },
  'staging/2': { state: 'REVERTED', runs: '1.0.0' },
};

/** An API for the demo's story that answers as the real one does, from memory. */
export class FakeDemoApi {
  static readonly PLAN: string = `sha256:${'c'.repeat(64)}`;
  readonly questions: FakeQuestion[] = [];
  /** Version by environment. */
  readonly running = new Map<string, string>();
  reasonOfRevert = 'it is not well';
  readonly #promotions = new Map<string, FakePromotion>();
  readonly #changes = new Map<string, Partial<FakePromotion>>();
  readonly #polls = new Map<string, number>();
  readonly #approved = new Set<string>();

  /** What comes out otherwise than it must. */
  change(id: string, change: Partial<FakePromotion>): void {
    this.#changes.set(id, change);
  }

  serve(request: IncomingMessage, response: ServerResponse): void {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      const { query, variables } = JSON.parse(body) as {
        query: string;
        variables: Record<string, unknown>;
      };
      const name = /(?:query|mutation) Demo(\w+)/.exec(query)?.[1];
      const token = request.headers.authorization?.slice('Bearer '.length);
      this.questions.push({ name, token, variables });
      response.end(JSON.stringify({ data: this.#answer(name, variables) }));
    });
  }

  #answer(name: string | undefined, variables: Record<string, unknown>): unknown {
    const input = (variables['input'] ?? {}) as Record<string, string>;
    const id = String(variables['id']);
    switch (name) {
      case 'Agents':
        return {
          targets: ['dev', 'staging', 'production'].map((environment) => ({
            name: `${environment}-host-1`,
            agent: { state: 'ONLINE' },
          })),
        };
      case 'CreateRelease':
        return { createRelease: requestOf(input['version'], 'RESOLVING') };
      case 'ReleaseRequest':
        return { releaseRequest: requestOf(id, 'CREATED') };
      case 'RequestPromotion':
        return {
          requestPromotion: this.#begin(
            'PROMOTE',
            input['environment'],
            input['release']?.slice(3),
          ),
        };
      case 'Rollback':
        return { rollbackEnvironment: this.#begin('ROLLBACK', input['environment'], '1.0.0') };
      case 'Approval':
        return { promotion: { approval: this.#approvalOf(id) } };
      case 'DecideApproval':
        this.#approved.add(String(input['promotion']));
        return { decideApproval: { __typename: 'ApprovalRequest', id: 'x', state: 'APPROVED' } };
      case 'Promotion':
        this.#polls.set(id, (this.#polls.get(id) ?? 0) + 1);
        return { promotion: this.#view(id) };
      case 'Packet':
        return { promotion: { packet: { document: `packet of ${id}` } } };
      default:
        return { trustRoot: { document: 'the keys' } };
    }
  }

  #begin(kind: string, environment = '', version = ''): unknown {
    const earlier = [...this.#promotions.keys()].filter((id) => id.startsWith(`${environment}/`));
    const id = `${environment}/${earlier.length + 1}`;
    const told = { id, kind, environment, version, state: 'SUCCEEDED', runs: version };
    this.#promotions.set(id, { ...told, ...ENDINGS[id], ...this.#changes.get(id) });
    return { __typename: 'Promotion', ...(this.#view(id) as object) };
  }

  #view(id: string): unknown {
    const promotion = this.#promotions.get(id);
    if (promotion === undefined) {
      throw new Error(`The fake has no promotion ${id}.`);
    }
    const { kind, environment, version, runs } = promotion;
    const asks = environment === 'production';
    const isWaiting = asks && !this.#approved.has(id);
    const hasEnded = (this.#polls.get(id) ?? 0) > 1 && !isWaiting;
    const state = hasEnded ? promotion.state : 'RUNNING';
    if (hasEnded) {
      this.running.set(environment, runs);
    }
    const isDenied = state === 'DENIED';
    return {
      ...{ id, kind, state, traceId: null },
      reason:
        state === 'REVERTED' ? { code: 'service-unhealthy', message: this.reasonOfRevert } : null,
      release: { id: `id-${version}`, name: 'hello', version },
      environment: { name: environment },
      steps: stepsOf(promotion, asks, state),
      approvals: asks ? [this.#roundOf(id)] : [],
      decision: hasEnded && kind === 'PROMOTE' ? decisionOf(isDenied) : null,
      packet: hasEnded ? { digest: 'sha256:x' } : null,
    };
  }

  #roundOf(id: string): unknown {
    const isApproved = this.#approved.has(id);
    const decision = { principal: 'approver', decision: 'APPROVE', recorded: true };
    return {
      ...{ round: 1, state: isApproved ? 'APPROVED' : 'WAITING', planDigest: FakeDemoApi.PLAN },
      decisions: isApproved ? [{ ...decision, principal: 'late', recorded: false }, decision] : [],
    };
  }

  #approvalOf(id: string): unknown {
    const to = { version: '1.0.0', digest: `sha256:${'a'.repeat(64)}` };
    return {
      ...{ state: 'WAITING', releaseDigest: 'id-1.0.0', planDigest: FakeDemoApi.PLAN },
      rule: { count: 1, roles: ['approver'] },
      blockedForMe: null,
      difference: {
        current: null,
        desired: { name: 'hello', version: '1.0.0' },
        components: [{ name: 'hello', change: 'ADDED', from: null, to }],
        packages: null,
        findings: { newCount: 0, resolvedCount: 0, unchanged: 0 },
        targets: [
          {
            target: { name: `${id.split('/')[0]}-host-1` },
            change: 'ADDED',
            settings: [{ name: 'PORT', change: 'ADDED' }],
          },
        ],
      },
    };
  }
}

function stepsOf({ kind }: FakePromotion, asks: boolean, state: string): unknown[] {
  const all = asks ? PIPELINE.toSpliced(3, 0, 'approval') : PIPELINE;
  const ids = kind === 'ROLLBACK' ? all.slice(2) : all;
  return ids.map((id, place) => {
    const step = { id, state: 'SUCCEEDED', seconds: 1.25, reason: null };
    if (state === 'RUNNING') {
      return { ...step, state: place === 0 ? 'RUNNING' : 'PENDING', seconds: null };
    }
    if (state === 'DENIED' && place > 0) {
      return { ...step, state: place === 1 ? 'FAILED' : 'SKIPPED', seconds: null };
    }
    if (state === 'REVERTED' && place > 2) {
      return { ...step, state: id === 'deploy' ? 'REVERTED' : 'SKIPPED' };
    }
    return step;
  });
}

function decisionOf(isDenied: boolean): unknown {
  const entry = {
    rule: 'no-secrets',
    result: 'DENY',
    finding: 'private-key in app/deploy-key.pem',
    remedy: 'remove the key and build again',
  };
  return {
    decision: isDenied ? 'DENY' : 'ALLOW',
    reasonCodes: isDenied ? ['secret-found'] : [],
    trace: isDenied ? [entry] : [],
  };
}

function requestOf(version: string | undefined, state: string): Record<string, unknown> {
  const components = [{ name: 'hello', digest: `sha256:${'a'.repeat(64)}` }];
  const release = { id: `id-${version}`, name: 'hello', version, components };
  return {
    __typename: 'ReleaseRequest',
    id: version,
    state,
    release: state === 'CREATED' ? release : null,
    refusal: null,
  };
}
