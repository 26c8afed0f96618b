import altair from 'altair-static';
import type { IRouter, NextFunction, Request, Response } from 'express';
import express from 'express';

/**
 * Everything comes from this origin, and the browser is told to refuse the rest: no CDN, no account
 * service, no outside sandbox. Angular writes its styles inline.
 */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src 'self' data:",
  "connect-src 'self'",
  "worker-src 'self' blob:",
  "frame-src 'self'",
  "base-uri 'self'",
  "form-action 'none'",
  "frame-ancestors 'self'",
].join('; ');

/** The header stands in a dialog that nobody opens unasked, so the query says where. */
const INITIAL_QUERY = `# First tell the API who you are: open "Set Headers" (the icon in the bar on the left)
# and write your token in place of <token> in the header Authorization: Bearer <token>.
# For subscriptions it goes into the connection parameters under "Request Handlers" as well.
{
  viewer { name tenant role }
  environments { name targets { name } }
}
`;

/** Serves the GraphQL explorer from the package on disk, to be mounted at `/explorer`. */
export function createExplorer(): IRouter {
  const options = {
    baseURL: '/explorer/',
    endpointURL: '/graphql',
    disableAccount: true,
    initialHeaders: { Authorization: 'Bearer <token>' },
    // A browser cannot set headers of a WebSocket: the token goes with its first message.
    subscriptionsEndpoint: '/graphql',
    initialSubscriptionRequestHandlerId: 'graphql-ws' as const,
    initialSubscriptionsPayload: { authorization: 'Bearer <token>' },
    initialQuery: INITIAL_QUERY,
    // Banners are adverts for an AI service.
    initialSettings: { 'alert.disableUpdateNotification': true, 'banners.disable': true } as never,
    // Apart from the page, so that no inline script needs to be allowed.
    serveInitialOptionsInSeperateRequest: 'initial_options.js',
  };
  const page = altair.renderAltair(options);
  const script = altair.renderInitSnippet(options);
  const router = express.Router();
  router.use((request, response, next) => {
    setSecurityHeaders(response);
    if (altair.isSandboxFrame(request.path)) {
      response.setHeader('content-security-policy', altair.SANDBOX_FRAME_CSP);
    }
    next();
  });
  router.get('/', (request, response) => {
    // The page's relative links need the folder's slash.
    const atFolder = request.originalUrl.split('?')[0]?.endsWith('/') === true;
    if (atFolder) response.type('html').send(page);
    else response.redirect(308, '/explorer/');
  });
  router.get('/initial_options.js', (_request, response) => {
    response.type('application/javascript').send(script);
  });
  router.use(express.static(altair.getDistDirectory(), { index: false, maxAge: '1h' }));
  return router;
}

/** Sends whoever opens the API's address itself to the explorer. */
export function redirectRoot(request: Request, response: Response, next: NextFunction): void {
  const isPage = request.method === 'GET' || request.method === 'HEAD';
  if (isPage && request.path === '/') response.redirect(302, '/explorer/');
  else next();
}

function setSecurityHeaders(response: Response): void {
  response.setHeader('content-security-policy', CONTENT_SECURITY_POLICY);
  response.setHeader('x-content-type-options', 'nosniff');
  response.setHeader('referrer-policy', 'no-referrer');
  response.setHeader('cross-origin-opener-policy', 'same-origin');
  response.setHeader('x-frame-options', 'SAMEORIGIN');
}
