import { join } from 'node:path';
import { describe } from '@jest/globals';
import {
  canStartDocker,
  type DockerEngine,
  hasProgram,
  startDockerEngine,
} from '../support/docker-engine.ts';
import { testGuide } from '../support/guide-run.ts';

let engine: DockerEngine | undefined;

describe('the guide "Promote your own service", block by block', () => {
  testGuide({
    file: 'docs/guides/promote-your-own-service.md',
    ports: [17070, 18080, 18081, 18082],
    dataDir: 'greeter/control-plane',
    tools: {
      docker: canStartDocker(),
      buildx: canStartDocker() && hasProgram('docker', ['buildx', 'version']),
      skopeo: canStartDocker() && hasProgram('skopeo', ['--version']),
    },
    prepare: async (home) => {
      engine = await startDockerEngine(join(home, 'docker'));
      return engine === undefined ? {} : { env: { DOCKER_HOST: engine.host } };
    },
    cleanUp: async () => engine?.stop(),
    prints: {
      'promotion request greeter@1.0.0 staging': ['"greeting":"hello from staging"'],
      "comment 'seen in staging'": [
        '"version":"1.0.0","greeting":"hello from the first host"',
        '"version":"1.0.0","greeting":"hello from the second host"',
      ],
      'VERSION=1.1.0': [
        '"version":"1.1.0","greeting":"hello from the first host"',
        '"version":"1.1.0","greeting":"hello from the second host"',
      ],
      'rollback production': [
        '"version":"1.0.0","greeting":"hello from the first host"',
        '"version":"1.0.0","greeting":"hello from the second host"',
      ],
    },
  });
});
