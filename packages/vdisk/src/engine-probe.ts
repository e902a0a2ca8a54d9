import { identityFault } from './engine-control.ts';
import { identityKey } from './engine-keys.ts';
import type { EngineLogin } from './engine-login.ts';
import { EngineError } from './errors.ts';
import { Frame, type RespValue } from './resp.ts';
import { type RespLink, throwIfError } from './resp-link.ts';

/** What one probe of an engine found. */
export interface ProbeFinding {
  readonly kind:
    | 'healthy'
    | 'loading'
    | 'unreachable'
    | 'hung'
    | 'refuses-commands'
    | 'identity-lost'
    | 'identity-mismatch';
  /** A sentence: what was tried and what came back. */
  readonly detail: string;
  /** Unix milliseconds. */
  readonly at: number;
  /** The latest moment at which the engine's process can have started, of an engine that is healthy. */
  readonly upSince?: number;
}

export interface ProbeTarget {
  readonly address: string;
  readonly db: number;
  /** The identity that the engine must have; null when it is not part of a cluster. */
  readonly identity: string | null;
}

export interface ProbeOptions {
  readonly timeoutMs: number;
  readonly login?: EngineLogin | undefined;
  /** Where engines on this host listen beside TCP: a path in which `{port}` stands for the port. */
  readonly engineSockets?: string | undefined;
  /** Makes canary keys of different observers differ. */
  readonly observer: string;
  readonly now: () => number;
}

/** An engine that answers may still refuse writes; should its removal fail, a canary is gone after so long. */
const CANARY_SECONDS = 60;

/**
 * Looks at an engine over a link to it the way its users do: PING, identity, and a canary write that is read back. Nothing is
 * written on an engine that is not who it should be.
 *
 * @throws EngineError when the link breaks, or the engine answers with an error
 */
export async function probeOver(
  link: RespLink,
  { address, identity }: ProbeTarget,
  { observer, now }: Pick<ProbeOptions, 'observer' | 'now'>,
): Promise<ProbeFinding> {
  const askedAt = performance.now();
  const about = new Frame()
    .command('PING')
    .command('INFO', 'server')
    .command('INFO', 'replication')
    .command('INFO', 'persistence')
    .command('GET', identityKey);
  const [pong, server, replication, persistence, found] = await link.request(about);
  const pingMs = performance.now() - askedAt;
  // An engine that is loading may refuse all but INFO.
  if (field(address, persistence, 'loading') === '1')
    return { kind: 'loading', detail: `${address} is loading its data`, at: now() };
  if (textOf(address, pong) !== 'PONG')
    throw new EngineError('protocol', `engine ${address}: expected PONG, found ${String(pong)}`);
  const is = found === null ? null : textOf(address, found);
  if (identity !== null && is !== identity) return findingOf(identityFault(address, identity, is), now());
  const role = field(address, replication, 'role');
  if (role !== 'master')
    return { kind: 'refuses-commands', detail: `${address} is a read-only ${role}`, at: now() };
  await canary(link, address, observer);
  if (field(address, persistence, 'aof_last_write_status') === 'err')
    return { kind: 'refuses-commands', detail: `${address} could not write its append-only file`, at: now() };
  const detail = `${address} answered PING in ${pingMs.toFixed(1)} ms, has its identity and took a canary write`;
  // Whole seconds, rounded down: it may have started a second earlier, not later.
  const uptimeMs = Number(field(address, server, 'uptime_in_seconds')) * 1_000;
  return { kind: 'healthy', detail, at: now(), upSince: now() - uptimeMs };
}

/** Writes, reads back and removes one key. */
async function canary(link: RespLink, address: string, token: string): Promise<void> {
  const key = `salvor:canary:${token}`;
  const frame = new Frame()
    .command('SET', key, token, 'EX', CANARY_SECONDS)
    .command('GET', key)
    .command('DEL', key);
  const replies = await link.request(frame);
  for (const reply of replies) throwIfError(address, reply);
  if (textOf(address, replies[1]) !== token)
    throw new EngineError('protocol', `engine ${address}: the canary read back differs`);
}

/** One field of what INFO tells; empty when it does not. */
function field(address: string, info: RespValue | undefined, name: string): string {
  return new RegExp(`^${name}:(.*?)\r?$`, 'm').exec(textOf(address, info))?.[1] ?? '';
}

function textOf(address: string, value: RespValue | undefined): string {
  throwIfError(address, value ?? null);
  return Buffer.isBuffer(value) ? value.toString('utf8') : String(value);
}

const kindOfFault: Readonly<Record<EngineError['fault'], ProbeFinding['kind']>> = {
  unreachable: 'unreachable',
  timeout: 'hung',
  loading: 'loading',
  'refused-command': 'refuses-commands',
  'login-refused': 'refuses-commands',
  'identity-lost': 'identity-lost',
  'identity-mismatch': 'identity-mismatch',
  'epoch-lost': 'refuses-commands',
  'tail-lost': 'refuses-commands',
  protocol: 'refuses-commands',
  corrupt: 'refuses-commands',
};

/** What an engine's error means to whoever probes it. */
export function findingOf(error: EngineError, at: number): ProbeFinding {
  return { kind: kindOfFault[error.fault], detail: error.message, at };
}
