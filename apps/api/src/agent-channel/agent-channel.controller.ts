import { pipeline } from 'node:stream/promises';
import {
  Controller,
  Get,
  HttpCode,
  Inject,
  Param,
  Post,
  Query,
  Req,
  Res,
  UseFilters,
} from '@nestjs/common';
import { parseCommandsQuery, parseHeartbeatRequest } from '@sluice/agent-protocol';
import { forgetNonces, recordHeartbeat, withTenant } from '@sluice/persistence';
import type { Request, Response } from 'express';
import { API_PARTS, type ApiParts } from '../api-parts.ts';
import { traceOf } from '../trace/trace.middleware.ts';
import { acceptProbes } from './accept-probes.ts';
import { acceptReport } from './accept-report.ts';
import { assertInput, BlobInput, CommandsInput, HeartbeatInput } from './agent.inputs.ts';
import { AgentRefusalFilter } from './agent-refusal.filter.ts';
import { AgentRefusal, refuse } from './agent-refusal.ts';
import { type AllowedBlobs, createAllowedBlobs } from './allowed-blobs.ts';
import { authenticateAgent } from './authenticate-agent.ts';
import { enrolAgent } from './enrol-agent.ts';
import { createGate } from './gate.ts';
import { pollCommands } from './poll-commands.ts';
import { bodyOf } from './raw-body.middleware.ts';

/** Twice the clock skew to either side, and room: a nonce is kept while its signature could still be fresh. */
const NONCE_SECONDS = 600;

/** The agents' own channel: signed requests in, signed commands out. */
@Controller('agent/v1')
@UseFilters(AgentRefusalFilter)
export class AgentChannelController {
  readonly #parts: ApiParts;
  readonly #allowed: AllowedBlobs;
  readonly #polls = createGate('polls', 2000, 3);
  readonly #blobs = createGate('blob transfers', 64, 8);

  constructor(@Inject(API_PARTS) parts: ApiParts) {
    this.#parts = parts;
    this.#allowed = createAllowedBlobs(parts.pool, parts.evidence);
  }

  @Post('enroll')
  @HttpCode(200)
  async enrol(@Req() request: Request, @Res() response: Response): Promise<void> {
    response.json(await enrolAgent(this.#parts, request, traceOf(request).traceId));
  }

  @Post('heartbeat')
  @HttpCode(200)
  async heartbeat(@Req() request: Request, @Res() response: Response): Promise<void> {
    const { tenantId, target } = await this.#authenticate(request);
    const parsed = parseHeartbeatRequest(bodyOf(request));
    if (!parsed.ok) throw refuse(400, parsed.refusal);
    assertInput(HeartbeatInput, parsed.value, 'body-malformed');
    const { version, activeRelease } = parsed.value;
    await withTenant(this.#parts.pool, tenantId, async (tx) => {
      await recordHeartbeat(tx, { target, version, activeRelease });
      // Sweeping now and then by whoever is there needs no timer and no role that sees all tenants.
      if (Math.random() < 0.02) await forgetNonces(tx, NONCE_SECONDS);
    });
    response.json({ ok: true });
  }

  @Get('commands')
  async commands(
    @Query() query: Readonly<Record<string, unknown>>,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    const caller = await this.#authenticate(request);
    const parsed = parseCommandsQuery(query);
    if (!parsed.ok) throw refuse(400, parsed.refusal);
    assertInput(CommandsInput, parsed.value, 'query-malformed');
    const leave = this.#polls.enter(`${caller.tenantId}/${caller.target}`);
    const gone = new AbortController();
    response.on('close', () => gone.abort());
    try {
      const answer = await pollCommands(this.#parts, caller, parsed.value, gone.signal);
      if (!gone.signal.aborted) response.json(answer);
    } finally {
      leave();
    }
  }

  @Post('reports')
  @HttpCode(200)
  async reports(@Req() request: Request, @Res() response: Response): Promise<void> {
    const caller = await this.#authenticate(request);
    await acceptReport(this.#parts, caller, bodyOf(request), traceOf(request).log);
    response.json({ ok: true });
  }

  @Post('probes')
  @HttpCode(200)
  async probes(@Req() request: Request, @Res() response: Response): Promise<void> {
    const caller = await this.#authenticate(request);
    await acceptProbes(this.#parts, caller, bodyOf(request));
    response.json({ ok: true });
  }

  @Get('blobs/:digest')
  async blob(
    @Param('digest') digest: string,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    const { tenantId, target } = await this.#authenticate(request);
    assertInput(BlobInput, { digest }, 'digest-invalid');
    const leave = this.#blobs.enter(`${tenantId}/${target}`);
    try {
      const size = (await this.#allowed.isAllowed(tenantId, target, digest))
        ? await this.#parts.evidence.findSize(digest)
        : undefined;
      if (size === undefined) {
        throw new AgentRefusal(
          404,
          'blob-unknown',
          `No command to ${target} names a release with the blob ${digest}.`,
        );
      }
      const content = await this.#parts.evidence.get(digest);
      response.setHeader('content-type', 'application/octet-stream');
      response.setHeader('content-length', String(size));
      await pipeline(content, response);
    } finally {
      leave();
    }
  }

  #authenticate(request: Request) {
    const { pool, now, publicUrl } = this.#parts;
    return authenticateAgent(pool, request, now(), publicUrl);
  }
}
