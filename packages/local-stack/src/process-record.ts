import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isSameProcessAlive, type ProcessIdentity, signalProcess } from './process-identity.ts';
import { until } from './waiting.ts';

/**
 * A folder with one small file a running process: its pid and start time. A parent killed by SIGKILL cannot end its
 * children; the next run ends exactly those it finds here, never a process that got the same id later.
 */
export class ProcessRecord {
  readonly #dir: string;

  constructor(dir: string) {
    this.#dir = dir;
    mkdirSync(dir, { recursive: true });
  }

  add(name: string, identity: ProcessIdentity): void {
    const file = this.#file(identity);
    writeFileSync(`${file}.new`, JSON.stringify({ name, ...identity }));
    renameSync(`${file}.new`, file);
  }

  remove(identity: ProcessIdentity): void {
    rmSync(this.#file(identity), { force: true });
  }

  /** Those that still run. */
  alive(): (ProcessIdentity & { name: string })[] {
    return readdirSync(this.#dir)
      .filter((file) => file.endsWith('.json'))
      .map((file) => readRecord(join(this.#dir, file)))
      .filter((entry) => entry !== null)
      .filter(isSameProcessAlive);
  }

  /** Kills everything recorded that still runs, waits for it, and empties the record. Returns the names. */
  async endLeftovers(): Promise<string[]> {
    const left = this.alive();
    for (const entry of left) signalProcess(entry, 'SIGKILL');
    await until(() => !left.some(isSameProcessAlive), {
      what: `the end of ${left.map((entry) => `${entry.name} (${entry.pid})`).join(', ')}`,
      timeoutMs: 5_000,
    });
    for (const file of readdirSync(this.#dir)) rmSync(join(this.#dir, file), { force: true });
    return left.map((entry) => entry.name);
  }

  #file(identity: ProcessIdentity): string {
    return join(this.#dir, `${identity.pid}-${identity.startTicks}.json`);
  }
}

function readRecord(file: string): (ProcessIdentity & { name: string }) | null {
  try {
    const entry: unknown = JSON.parse(readFileSync(file, 'utf8'));
    if (typeof entry !== 'object' || entry === null) return null;
    const { name, pid, startTicks } = entry as Record<string, unknown>;
    if (typeof name !== 'string' || typeof pid !== 'number' || typeof startTicks !== 'string') return null;
    return { name, pid, startTicks };
  } catch {
    // Cut short by a crash: nothing in it can be trusted, so nothing is killed for it.
    return null;
  }
}
