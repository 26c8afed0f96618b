import { MAX_REQUEST_BYTES } from '@sluice/agent-protocol';
import type { NextFunction, Request, Response } from 'express';
import express from 'express';

const readRaw = express.raw({ type: () => true, limit: MAX_REQUEST_BYTES, inflate: false });

/** Reads a body as the bytes that Content-Digest covers; larger ones and compressed ones are refused. */
export function rawBody(request: Request, response: Response, next: NextFunction): void {
  readRaw(request, response, (error?: unknown) => {
    if (error === undefined) return next();
    const status = (error as { readonly status?: unknown }).status;
    const [code, message] =
      status === 413
        ? ['body-too-large', `A request holds at most ${MAX_REQUEST_BYTES} bytes.`]
        : ['body-unreadable', 'The body can’t be read; send it whole and uncompressed.'];
    response.status(typeof status === 'number' ? status : 400).json({ code, message });
  });
}

/** The bytes that {@link rawBody} read; none for a request without a body. */
export function bodyOf(request: Request): Uint8Array {
  const body: unknown = request.body;
  return Buffer.isBuffer(body) ? new Uint8Array(body) : new Uint8Array();
}
