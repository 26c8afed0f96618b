import { randomUUID } from 'node:crypto';
import { type ArgumentsHost, Catch, type ExceptionFilter } from '@nestjs/common';
import type { Request, Response } from 'express';
import { traceOf } from '../trace/trace.middleware.ts';
import type { AgentRefusal } from './agent-refusal.ts';

/** Answers every failure of the agent channel as `{code, message}`; the unexpected ones only by an id. */
@Catch()
export class AgentRefusalFilter implements ExceptionFilter {
  catch(error: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<Request>();
    const response = host.switchToHttp().getResponse<Response>();
    const { log } = traceOf(request);
    if (response.headersSent) {
      log.warn({ err: error }, 'answer to an agent broke off');
      response.destroy();
      return;
    }
    if (isRefusal(error)) {
      log.info({ code: error.code, status: error.status }, 'agent request refused');
      response.status(error.status).json({ code: error.code, message: error.message });
      return;
    }
    const id = randomUUID();
    log.error({ err: error, id }, 'agent request failed');
    const message = `Something went wrong on the server; its log tells more under ${id}.`;
    response.status(500).json({ code: 'internal', message });
  }
}

function isRefusal(error: unknown): error is AgentRefusal {
  return (error as { name?: unknown } | null)?.name === 'AgentRefusal';
}
