/** Which servers to connect to and who to be there: options, then the environment, then a context file. */
import { readFileSync } from 'node:fs';
import { contextPaths, readContext } from './context-file.ts';
import { CliError, exitCodes, usageError } from './failure.ts';

type Env = Readonly<Record<string, string | undefined>>;

export interface Login {
  /** Without user names and passwords. */
  readonly servers: string[];
  /** Where the servers were named, for messages: `--server`, a variable, a file. */
  readonly from: string;
  readonly user?: string;
  readonly password?: string;
  readonly token?: string;
  readonly creds?: string;
  readonly nkeySeed?: string;
  readonly tls?: { caFile?: string; certFile?: string; keyFile?: string };
}

export interface LoginOptions {
  readonly server: string | undefined;
  readonly creds: string | undefined;
  readonly cwd: string;
  readonly env: Env;
}

/** Throws usage errors, and `no-server` when nothing names one. */
export function findLogin({ server, creds, cwd, env }: LoginOptions): Login {
  const named = firstNamed([
    ['--server', server],
    ['SALVOR_NATS_SERVERS', env.SALVOR_NATS_SERVERS],
    ['NATS_URL', env.NATS_URL],
  ]);
  if (named !== undefined) {
    return loginOf(named.value, named.name, {
      creds: creds ?? env.SALVOR_NATS_CREDS ?? env.NATS_CREDS,
      caFile: env.SALVOR_NATS_TLS_CA ?? env.NATS_CA,
      certFile: env.SALVOR_NATS_TLS_CERT ?? env.NATS_CERT,
      keyFile: env.SALVOR_NATS_TLS_KEY ?? env.NATS_KEY,
      nkeySeed: seedOf(env),
    });
  }
  for (const path of contextPaths(cwd, env)) {
    const context = readContext(path);
    if (context === undefined) continue;
    return loginOf(context.natsUrl, path, {
      creds: creds ?? context.natsCreds,
      caFile: context.natsTlsCa,
      certFile: context.natsTlsCert,
      keyFile: context.natsTlsKey,
      nkeySeed: seedOf(env),
    });
  }
  throw new CliError(
    exitCodes.unreachable,
    'no-server',
    "no NATS server is named: pass --server, set SALVOR_NATS_SERVERS or NATS_URL, or start a local stack with 'salvor up'",
  );
}

/** As services take it: the seed itself, or a file that holds it. */
function seedOf(env: Env): string | undefined {
  const { SALVOR_NATS_NKEY_SEED: seed, SALVOR_NATS_NKEY_SEED_FILE: file } = env;
  if (given(seed) || !given(file)) return seed;
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw usageError(
      `SALVOR_NATS_NKEY_SEED_FILE names a file that cannot be read: ${(error as Error).message}`,
    );
  }
}

interface Secrets {
  readonly creds: string | undefined;
  readonly caFile: string | undefined;
  readonly certFile: string | undefined;
  readonly keyFile: string | undefined;
  readonly nkeySeed: string | undefined;
}

function loginOf(list: string, from: string, secrets: Secrets): Login {
  const { creds, nkeySeed } = secrets;
  const urls = list
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')
    .map((item) => parseServer(item, from));
  const [first] = urls;
  if (first === undefined) throw usageError(`${from}: expected NATS servers, such as nats://127.0.0.1:4222`);
  const user = decodeURIComponent(first.username);
  const password = decodeURIComponent(first.password);
  const tls = tlsOf(
    secrets,
    from,
    urls.some(({ protocol }) => protocol === 'tls:'),
  );
  return {
    servers: urls.map(({ hostname, port }) => `nats://${hostname}:${port === '' ? '4222' : port}`),
    from,
    ...(user === '' ? {} : password === '' ? { token: user } : { user, password }),
    ...(given(creds) ? { creds } : {}),
    ...(given(nkeySeed) ? { nkeySeed } : {}),
    ...(tls === undefined ? {} : { tls }),
  };
}

/** Undefined: plain, unless the server asks for TLS and its certificate is of an authority that Node knows. */
function tlsOf({ caFile, certFile, keyFile }: Secrets, from: string, isAsked: boolean): Login['tls'] {
  if (given(certFile) !== given(keyFile))
    throw usageError(`${from}: a certificate for NATS needs its key, and a key its certificate`);
  if (!given(caFile) && !given(certFile) && !isAsked) return undefined;
  return {
    ...(given(caFile) ? { caFile } : {}),
    ...(given(certFile) && given(keyFile) ? { certFile, keyFile } : {}),
  };
}

/** `host`, `host:port`, or a URL of the schemes that NATS servers listen on for clients over TCP. */
function parseServer(text: string, from: string): URL {
  const withScheme = text.includes('://') ? text : `nats://${text}`;
  const url = URL.canParse(withScheme) ? new URL(withScheme) : undefined;
  if (url !== undefined && url.hostname !== '' && ['nats:', 'tls:'].includes(url.protocol)) return url;
  throw usageError(`${from}: expected a NATS server such as nats://127.0.0.1:4222, found '${text}'`);
}

function firstNamed(
  candidates: readonly (readonly [name: string, value: string | undefined])[],
): { name: string; value: string } | undefined {
  for (const [name, value] of candidates) if (given(value)) return { name, value };
  return undefined;
}

function given(value: string | undefined): value is string {
  return value !== undefined && value.trim() !== '';
}
