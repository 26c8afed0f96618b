import { Controller, Get, Inject, Res } from '@nestjs/common';
import type { Response } from 'express';
import { API_PARTS, type ApiParts } from '../api-parts.ts';
import { checkReadiness } from './readiness.ts';

const READINESS_DEADLINE_MS = 2000;

/** What machines ask: does the process live, can it work, how does it go. */
@Controller()
export class HealthController {
  readonly #parts: ApiParts;

  constructor(@Inject(API_PARTS) parts: ApiParts) {
    this.#parts = parts;
  }

  /** 200 as long as the process answers. */
  @Get('healthz')
  healthz() {
    return { ok: true };
  }

  /** 200, or 503 with the names of what is missing. */
  @Get('readyz')
  async readyz(@Res() response: Response): Promise<void> {
    const { readinessChecks, log } = this.#parts;
    const readiness = await checkReadiness(readinessChecks, READINESS_DEADLINE_MS, (name, error) =>
      log.warn({ err: error, check: name }, 'not ready'),
    );
    response.status(readiness.ready ? 200 : 503).json(readiness);
  }

  /** Prometheus text. */
  @Get('metrics')
  async metrics(@Res() response: Response): Promise<void> {
    const { contentType, body } = await this.#parts.metrics.render();
    response.setHeader('content-type', contentType);
    response.send(body);
  }
}
