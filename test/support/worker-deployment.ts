import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { getTool } from '@sluice/infra';

/** What the engine says of a version, as far as tests look at it. */
export interface DescribedVersion {
  readonly drainageInfo?: { readonly drainageStatus?: string };
  readonly taskQueuesInfos?: readonly { readonly name: string; readonly type: string }[];
}

/** What the engine says of a worker deployment, as far as tests look at it. */
export interface DescribedDeployment {
  readonly routingConfig: {
    readonly currentVersionBuildID?: string;
    readonly rampingVersionBuildID?: string;
    readonly rampingVersionPercentage?: number;
  };
}

/** The engine's own command line, as who runs an estate types it. */
export class DeploymentCommands {
  readonly #connection: readonly string[];
  readonly #name: string;

  constructor(address: string, namespace: string, name: string) {
    this.#connection = ['--address', address, '--namespace', namespace];
    this.#name = name;
  }

  setCurrent(buildId: string): Promise<string> {
    return this.#run('set-current-version', [...this.#version(buildId), '--yes']);
  }

  setRamping(buildId: string, percentage: number): Promise<string> {
    const share = ['--percentage', String(percentage), '--yes'];
    return this.#run('set-ramping-version', [...this.#version(buildId), ...share]);
  }

  async describe(): Promise<DescribedDeployment> {
    const text = await this.#run('describe', ['--name', this.#name, '--output', 'json']);
    return JSON.parse(text) as DescribedDeployment;
  }

  async describeVersion(buildId: string): Promise<DescribedVersion> {
    const options = [...this.#version(buildId), '--output', 'json'];
    return JSON.parse(await this.#run('describe-version', options)) as DescribedVersion;
  }

  #version(buildId: string): readonly string[] {
    return ['--deployment-name', this.#name, '--build-id', buildId];
  }

  async #run(command: string, options: readonly string[]): Promise<string> {
    const { path } = await getTool('temporal');
    const args = ['worker', 'deployment', command, ...options, ...this.#connection];
    const { stdout } = await promisify(execFile)(path, args, { timeout: 60_000 });
    return stdout;
  }
}
