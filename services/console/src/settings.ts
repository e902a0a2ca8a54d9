import { file, integer, orElse, type Setting, text } from '@salvor/service-kit';
import { z } from 'zod';

/** What a console is configured with, beside what every service has. */
export const consoleSettings: {
  pageHost: Setting<string>;
  pagePort: Setting<number>;
  pageTlsCert: Setting<string>;
  pageTlsKey: Setting<string>;
  consoleTokens: Setting<string>;
  refreshMs: Setting<number>;
  pagesMax: Setting<number>;
} = {
  pageHost: {
    schema: orElse(text('an address'), '127.0.0.1'),
    help: 'address of the page',
    example: '127.0.0.1',
  },
  pagePort: {
    schema: orElse(integer(0, 65_535), 0),
    help: 'port of the page, 0 = any free port',
    example: '8480',
  },
  pageTlsCert: file(
    'certificate chain of the page; when set, the page is served over HTTPS only',
    'console.pem',
  ),
  pageTlsKey: file('private key of that certificate', 'console-key.pem'),
  consoleTokens: {
    schema: orElse(z.string(), ''),
    help: 'one `name token` a line: who may act on the page; empty = nobody, the page only shows',
    secret: true,
    example: 'from SALVOR_CONSOLE_TOKENS_FILE',
  },
  refreshMs: {
    schema: orElse(integer(200, 60_000), 2_000),
    help: 'everything is asked for again at least so often while a page looks, beside on each event',
    example: '2000',
  },
  pagesMax: {
    schema: orElse(integer(1, 10_000), 100),
    help: 'pages that may look at once; more are turned away',
    example: '100',
  },
};
