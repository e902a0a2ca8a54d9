import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { SalvorError } from '@salvor/service-kit';
import { identifyProcess, isAlive, processIdentitySchema } from './process-identity.ts';
import { forget, readStored, storeNow } from './stored-json.ts';

/** What this service must remember, as files. One running log-watcher has it. */
export class StateDir {
  readonly #path: string;

  /** @throws SalvorError `state-dir-in-use` */
  constructor(path: string) {
    this.#path = resolve(path);
    for (const part of ['spool', 'positions', 'children'])
      mkdirSync(join(this.#path, part), { recursive: true, mode: 0o700 });
    const holder = readStored(this.#holderPath, processIdentitySchema);
    if (holder !== null && holder.pid !== process.pid && isAlive(holder)) {
      throw new SalvorError(
        'state-dir-in-use',
        `another log-watcher (pid ${holder.pid}) uses ${this.#path}: stop it, or give this one its own SALVOR_STATE_DIR`,
      );
    }
    const self = identifyProcess(process.pid);
    if (self !== null) storeNow(this.#holderPath, self);
  }

  spool(source: string, stream: 'stdout' | 'stderr' | 'child'): string {
    return join(this.#path, 'spool', `${source}.${stream}`);
  }

  position(tail: string): string {
    return join(this.#path, 'positions', `${tail}.json`);
  }

  child(source: string): string {
    return join(this.#path, 'children', `${source}.json`);
  }

  release(): void {
    forget(this.#holderPath);
  }

  get #holderPath(): string {
    return join(this.#path, 'log-watcher.json');
  }
}
