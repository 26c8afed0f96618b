import { describe } from '@jest/globals';
import { testGuide } from '../../support/guide-run.ts';

describe('the guide "Model your pipeline", block by block', () => {
  testGuide({
    file: 'docs/guides/model-your-pipeline.md',
    ports: [17110, 18110],
    dataDir: 'lane/control-plane',
    prints: {
      'pipeline run production': ['host-1', 'INC-7'],
      'cat told/release-managers': [
        'lane 1.0.0',
        'Hotfix 1.0.0 for INC-7 was watched for 3 seconds only.',
      ],
      'promotion show production/1': ['glance'],
      'pipeline compare': ['60'],
    },
  });
});
