import { SalvorError } from '@salvor/service-kit';

export interface RestartTarget {
  /** host:port as etcd has it. */
  readonly address: string;
  readonly host: string;
  readonly port: string;
}

/** Brings the process of an engine up again, by whatever runs it. One attempt; when and how often is decided elsewhere. */
export interface RestartDriver {
  readonly name: 'exec' | 'docker' | 'nomad';
  /**
   * Resolves with a sentence on what was done, once whoever runs the engine says that it was restarted: whether the engine
   * is well is for the next probe to find.
   *
   * @throws RestartError
   */
  restart(target: RestartTarget, signal: AbortSignal): Promise<string>;
}

/** An attempt that did not restart the engine: what was expected, what was found. */
export class RestartError extends SalvorError {
  constructor(code: 'restart-failed' | 'restart-refused' | 'restart-timeout', message: string) {
    super(code, message);
  }
}

/** @throws RestartError when the address is not host:port */
export function restartTarget(address: string): RestartTarget {
  const colon = address.lastIndexOf(':');
  if (colon < 1) throw new RestartError('restart-refused', `expected host:port, found '${address}'`);
  const host = address.slice(0, colon).replace(/^\[(.*)\]$/, '$1');
  return { address, host, port: address.slice(colon + 1) };
}

/** `redis-{port}` becomes `redis-22005`; `{address}` and `{host}` are the others. */
export function filledIn(template: string, target: RestartTarget): string {
  return template.replace(/\{(address|host|port)\}/g, (_, name: keyof RestartTarget) => target[name]);
}
