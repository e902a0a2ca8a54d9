import { type ConfigStore, hookKey, hookSchema, parseRecord, recordIn } from '@salvor/config-store';
import { type Logger, messageOf } from '@salvor/service-kit';
import { type Hook, readHookFile } from './hook-file.ts';

/** The hooks of this coordinator, as the file says now, and from when on events count for each. */
export class HookBook {
  readonly path: string | null;
  readonly #store: ConfigStore;
  readonly #log: Logger;
  readonly #now: () => number;
  #hooks: readonly Hook[];
  readonly #since = new Map<string, number>();

  private constructor(
    store: ConfigStore,
    log: Logger,
    path: string | null,
    hooks: readonly Hook[],
    now: () => number,
  ) {
    this.#store = store;
    this.#log = log;
    this.path = path;
    this.#hooks = hooks;
    this.#now = now;
  }

  /** An empty path is no hooks. Throws HookFileError: a service with a wrong file does not start. */
  static read(store: ConfigStore, log: Logger, path: string, now: () => number = Date.now): HookBook {
    return new HookBook(store, log, path || null, path === '' ? [] : readHookFile(path, process.env), now);
  }

  get hooks(): readonly Hook[] {
    return this.#hooks;
  }

  get since(): ReadonlyMap<string, number> {
    return this.#since;
  }

  hook(name: string): Hook | null {
    return this.#hooks.find((hook) => hook.name === name) ?? null;
  }

  /** Records the hooks that nobody has recorded before: what happened until now does not run them. */
  async register(): Promise<void> {
    for (const { name } of this.#hooks) {
      if (!this.#since.has(name)) this.#since.set(name, await this.#registered(name));
    }
  }

  /** Reads the file again. One that cannot be used leaves in force what was there before. */
  async reload(): Promise<void> {
    if (this.path === null) return;
    try {
      this.#hooks = readHookFile(this.path, process.env);
      await this.register();
      this.#log.info({ file: this.path, hooks: this.#hooks.length }, 'hooks read again');
    } catch (error) {
      this.#log.error({ file: this.path, error: messageOf(error) }, 'the hooks stay as they were');
    }
  }

  async #registered(hook: string): Promise<number> {
    const key = hookKey(hook);
    const since = this.#now();
    const put = { key, value: JSON.stringify({ hook, since }) };
    const stored = await this.#store.transact({ compare: [{ key, revision: 'absent' }], puts: [put] });
    if (stored.ok) return since;
    return recordIn(stored.current, key, hookSchema)?.since ?? parseRecord(hookSchema, key, put.value).since;
  }
}
