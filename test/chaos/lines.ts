import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { CuttableLine, type LineState, type Stack } from '@salvor/testkit';

/** The lines between the parts of a stack: what each part says to another passes through one that can be disturbed. */
export class ChaosLines implements AsyncDisposable {
  /** By `from/to`; the far end of `all/<engine>` is that engine. */
  readonly #lines = new Map<string, CuttableLine>();
  /** Disturbances that overlap on one line: the newest counts, and when it is over, the one before. */
  readonly #disturbed = new Map<CuttableLine, { id: symbol; state: Disturbance }[]>();
  readonly #dir: string;

  constructor(dir: string) {
    this.#dir = join(dir, 'lines');
  }

  /** For `StackOptions.via`. */
  readonly via = async (from: string, to: string, port: number): Promise<number> => {
    const name = `${from}/${to}`;
    const line = this.#lines.get(name) ?? (await CuttableLine.to(port));
    this.#lines.set(name, line);
    return line.port;
  };

  /** For `StackOptions.engineSocketsOf`: each NBD server has lines of its own to the engines. */
  readonly engineSocketsOf = (server: string): string => join(this.#dir, server, '{port}.sock');

  /** Once the stack knows its engines. Until then NBD servers go the way of all. */
  async openEngineSockets(stack: Stack): Promise<void> {
    const { primary, slave, spares } = stack.engines;
    for (const { name: server } of stack.nbdServers) {
      mkdirSync(join(this.#dir, server), { recursive: true });
      for (const { name, port, address } of [...primary, ...slave, ...spares]) {
        const path = this.engineSocketsOf(server).replace('{port}', address.split(':')[1] ?? '');
        this.#lines.set(`${server}/${name}`, await CuttableLine.to(port, path));
      }
    }
  }

  /** All lines to one part. */
  to(part: string): CuttableLine[] {
    return [...this.#lines].filter(([name]) => name.endsWith(`/${part}`)).map(([, line]) => line);
  }

  between(from: string, to: string): CuttableLine[] {
    const line = this.#lines.get(`${from}/${to}`);
    return line === undefined ? [] : [line];
  }

  /** Returns what ends this disturbance. */
  disturb(lines: readonly CuttableLine[], state: Disturbance): () => void {
    const id = Symbol(state);
    for (const line of lines) {
      this.#disturbed.set(line, [...(this.#disturbed.get(line) ?? []), { id, state }]);
      line.disturb(state);
    }
    return () => {
      for (const line of lines) {
        const left = (this.#disturbed.get(line) ?? []).filter((one) => one.id !== id);
        this.#disturbed.set(line, left);
        const now = left.at(-1);
        if (now === undefined) line.mend();
        else line.disturb(now.state);
      }
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#lines.values()].map((line) => line[Symbol.asyncDispose]()));
  }
}

export type Disturbance = Exclude<LineState, 'open'>;
