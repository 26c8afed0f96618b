import 'reflect-metadata';
import type { AddressInfo } from 'node:net';
import { NestFactory } from '@nestjs/core';
import { GraphQLSchemaHost } from '@nestjs/graphql';
import { ExpressAdapter, type NestExpressApplication } from '@nestjs/platform-express';
import type { NextFunction, Request, Response } from 'express';
import express from 'express';
import { rawBody } from './agent-channel/raw-body.middleware.ts';
import { ApiModule } from './api.module.ts';
import type { ApiParts } from './api-parts.ts';
import { createExplorer, redirectRoot } from './explorer/explorer.ts';
import { MAX_GRAPHQL_BYTES } from './graphql-options.ts';
import { createNestLogger } from './nest-logger.ts';
import { serveSubscriptions } from './subscriptions/subscription-server.ts';
import { createTraceMiddleware } from './trace/trace.middleware.ts';

/** An API that listens. */
export interface RunningApi {
  readonly host: string;
  readonly port: number;
  /** `http://host:port`. */
  readonly url: string;
  /** Answers what is under way (waits end at once), then closes. */
  stop(): Promise<void>;
}

/** Builds the API over its parts and listens; port 0 takes any free one. */
export async function serveApi(
  parts: ApiParts,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<RunningApi> {
  const app = await NestFactory.create<NestExpressApplication>(
    ApiModule.of(parts),
    new ExpressAdapter(),
    { bodyParser: false, logger: createNestLogger(parts.log), abortOnError: false },
  );
  app.disable('x-powered-by');
  app.use(createTraceMiddleware(parts.log, parts.metrics));
  app.use(setSafeDefaults);
  app.use(redirectRoot);
  app.use('/explorer', createExplorer());
  app.use('/agent', rawBody);
  app.use('/graphql', jsonBody);
  await app.init();
  const subscriptions = serveSubscriptions(
    app.getHttpServer(),
    app.get(GraphQLSchemaHost).schema,
    parts,
  );
  await app.listen(port, host);
  const address = app.getHttpServer().address() as AddressInfo;
  const shownHost = address.family === 'IPv6' ? `[${address.address}]` : address.address;
  return {
    host: address.address,
    port: address.port,
    url: `http://${shownHost}:${address.port}`,
    async stop() {
      // Before the waits end: a subscriber must be told to go on elsewhere, not that there is nothing more.
      await subscriptions.close();
      parts.wakeups.close();
      await app.close();
    },
  };
}

/** Nothing here is to be framed, sniffed or cached by anyone; the explorer sets its own policy. */
function setSafeDefaults(_request: Request, response: Response, next: NextFunction): void {
  response.setHeader('x-content-type-options', 'nosniff');
  response.setHeader('cache-control', 'no-store');
  response.setHeader('content-security-policy', "default-src 'none'; frame-ancestors 'none'");
  next();
}

const readJson = express.json({ limit: MAX_GRAPHQL_BYTES });

function jsonBody(request: Request, response: Response, next: NextFunction): void {
  readJson(request, response, (error?: unknown) => {
    if (error === undefined) return next();
    const status = (error as { readonly status?: unknown }).status;
    const message =
      status === 413
        ? `A GraphQL request holds at most ${MAX_GRAPHQL_BYTES} bytes.`
        : 'The body is no JSON.';
    const body = { errors: [{ message, extensions: { code: 'BAD_REQUEST' } }] };
    response.status(typeof status === 'number' ? status : 400).json(body);
  });
}
