import { OutboundError } from './outbound-error.ts';

const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}$/;
/** One line: a line end would begin another header. In ASCII: what is sent beyond it is read differently everywhere. */
const HEADER_VALUE = /^[\t\u0020-\u007e]{0,8192}$/;

const MAX_HEADERS = 100;
const MAX_URL_LENGTH = 8192;

/** Headers that say how a message is framed, or where it goes: those are the client's own. */
const OWN_HEADERS: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'expect',
  'host',
  'keep-alive',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/**
 * The URL of a request.
 * @throws OutboundError `outbound-invalid`; the URL is not repeated, for it may be a secret
 */
export function readOutboundUrl(text: string): URL {
  const url = text.length <= MAX_URL_LENGTH && URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw invalid('its URL is none that begins with http:// or https://');
  }
  if (url.username !== '' || url.password !== '') {
    throw invalid('its URL holds a user or password; give them as a header');
  }
  return url;
}

/**
 * Headers with names in lower case.
 * @throws OutboundError `outbound-invalid` that names a header, never its value
 */
export function readOutboundHeaders(
  headers: Readonly<Record<string, string>>,
): Record<string, string> {
  const entries = Object.entries(headers);
  if (entries.length > MAX_HEADERS) {
    throw invalid(`it has ${entries.length} headers; at most ${MAX_HEADERS} are sent`);
  }
  const read = new Map<string, string>();
  for (const [written, value] of entries) {
    if (!HEADER_NAME.test(written)) {
      throw invalid(`${JSON.stringify(written.slice(0, 100))} is no name of a header`);
    }
    const name = written.toLowerCase();
    if (OWN_HEADERS.has(name)) throw invalid(`the header ${name} is not for a request to set`);
    if (read.has(name)) throw invalid(`the header ${name} is given twice`);
    if (!HEADER_VALUE.test(value)) {
      throw invalid(
        `the value of the header ${name} is not one line of at most 8192 characters of ASCII`,
      );
    }
    read.set(name, value);
  }
  return Object.fromEntries(read);
}

function invalid(message: string): OutboundError {
  return new OutboundError('outbound-invalid', message);
}
