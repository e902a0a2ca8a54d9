import { join } from 'node:path';
import { StackError } from './errors.ts';
import { freePort, releasePort } from './free-port.ts';
import { ManagedProcess, type ProcessSpec } from './managed-process.ts';
import type { ProcessRecord } from './process-record.ts';

/** Gives a port for a role ('client', 'monitor') of a server. The same role may be asked again after a bind failure. */
export type PortSource = (server: string, role: string) => Promise<number>;

export interface ServerOptions {
  /** Folder of this server alone: data, configuration and log. */
  dir: string;
  /** Default: the kind ('nats', 'etcd', 'redis'). */
  name?: string;
  /** Where ports come from; default: `freePort`. */
  ports?: PortSource;
  record?: ProcessRecord;
  env?: NodeJS.ProcessEnv;
  readyTimeoutMs?: number;
}

/** What differs from server to server. */
type ServerLaunch = Pick<ProcessSpec, 'command' | 'args' | 'ready' | 'env' | 'stopTimeoutMs'>;

const MAX_ATTEMPTS = 5;

/**
 * Starts a server on ports of its own. A port can still be taken by a stranger between choosing and binding it; then
 * the server says so and ends, and the start is tried on other ports. A restart later keeps the ports.
 */
export async function startOnPorts<Role extends string>(
  options: ServerOptions,
  name: string,
  roles: readonly Role[],
  launch: (ports: Record<Role, number>) => ServerLaunch,
): Promise<{ process: ManagedProcess; ports: Record<Role, number> }> {
  const source = options.ports ?? (() => freePort());
  for (let attempt = 1; ; attempt++) {
    const ports = {} as Record<Role, number>;
    for (const role of roles) ports[role] = await source(name, role);
    try {
      const process = await ManagedProcess.start({
        name,
        logFile: join(options.dir, `${name}.log`),
        ...(options.env === undefined ? {} : { env: options.env }),
        ...launch(ports),
        ...(options.record === undefined ? {} : { record: options.record }),
        ...(options.readyTimeoutMs === undefined ? {} : { readyTimeoutMs: options.readyTimeoutMs }),
      });
      return { process, ports };
    } catch (error) {
      for (const role of roles) releasePort(ports[role]);
      if (attempt >= MAX_ATTEMPTS || !isBindFailure(error)) throw error;
    }
  }
}

function isBindFailure(error: unknown): boolean {
  return (
    error instanceof StackError &&
    error.code === 'process-exited' &&
    /address already in use|EADDRINUSE|could not bind|bind: /i.test(error.message)
  );
}
