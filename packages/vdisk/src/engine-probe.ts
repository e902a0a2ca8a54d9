import { EngineControl, identityFault } from './engine-control.ts';
import { unixSocketOf } from './engine-socket.ts';
import { EngineError } from './errors.ts';

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
  readonly password?: string | undefined;
  /** Where engines on this host listen beside TCP: a path in which `{port}` stands for the port. */
  readonly engineSockets?: string | undefined;
  /** Makes canary keys of different observers differ. */
  readonly observer: string;
  readonly now: () => number;
}

/** Looks at an engine the way its users do: connect, PING, identity, and a canary write that is read back. */
export async function probeEngine(target: ProbeTarget, options: ProbeOptions): Promise<ProbeFinding> {
  const { address, db, identity } = target;
  const { timeoutMs, password, engineSockets, observer, now } = options;
  try {
    const unixSocket = unixSocketOf(engineSockets, address);
    return await EngineControl.with({ address, db, password, timeoutMs, unixSocket }, async (control) => {
      const { pingMs, role, loading, lastWriteOk, uptimeSeconds } = await control.probe();
      if (loading) return { kind: 'loading', detail: `${address} is loading its data`, at: now() };
      const found = await control.identity();
      if (identity !== null && found !== identity)
        return faultFinding(identityFault(address, identity, found), now());
      if (role !== 'master')
        return { kind: 'refuses-commands', detail: `${address} is a read-only ${role}`, at: now() };
      await control.canary(observer);
      if (!lastWriteOk) {
        return {
          kind: 'refuses-commands',
          detail: `${address} could not write its append-only file`,
          at: now(),
        };
      }
      const detail = `${address} answered PING in ${pingMs.toFixed(1)} ms, has its identity and took a canary write`;
      // Whole seconds, rounded down: it may have started a second earlier, not later.
      return { kind: 'healthy', detail, at: now(), upSince: now() - uptimeSeconds * 1_000 };
    });
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    return faultFinding(error, now());
  }
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

function faultFinding(error: EngineError, at: number): ProbeFinding {
  return { kind: kindOfFault[error.fault], detail: error.message, at };
}
