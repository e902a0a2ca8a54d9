import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { freePort, ManagedProcess, releasePort, until } from '@salvor/testkit';
import { type ComposeFile, type ComposeService, mountOf } from './compose-file.ts';

const run = promisify(execFile);
const ROOT = resolve(import.meta.dirname, '../..');
const HEALTHY_WITHIN_MS = 150_000;

export interface LocalComposeOptions {
  /** The Compose file is in it. */
  readonly folder: string;
  /** For volumes and logs. */
  readonly dir: string;
  /** What `deploy/make-secrets` has made: it stands for `./secrets`. */
  readonly secrets: string;
}

type Variables = Readonly<Record<string, string>>;

/**
 * Runs the services of a Compose file as processes of this machine: the very command lines, environments, configuration files
 * and health checks, with each address of the Compose network replaced by a port of 127.0.0.1, and each path of a container by a
 * folder of the test.
 */
export class LocalCompose implements AsyncDisposable {
  readonly #file: ComposeFile;
  readonly #folder: string;
  readonly #dir: string;
  readonly #secrets: string;
  readonly #ports = new Map<string, number>();
  readonly #processes = new Map<string, ManagedProcess>();

  private constructor(file: ComposeFile, options: LocalComposeOptions) {
    this.#file = file;
    this.#folder = options.folder;
    this.#dir = options.dir;
    this.#secrets = options.secrets;
  }

  static async start(file: ComposeFile, options: LocalComposeOptions): Promise<LocalCompose> {
    const compose = new LocalCompose(file, options);
    try {
      await compose.#reservePorts();
      for (const wave of waves(file)) await Promise.all(wave.map((name) => compose.#start(name)));
      return compose;
    } catch (error) {
      await compose[Symbol.asyncDispose]();
      throw error;
    }
  }

  process(name: string): ManagedProcess {
    const process = this.#processes.get(name);
    if (process === undefined) throw new Error(`no process of ${name}; there are ${this.names.join(', ')}`);
    return process;
  }

  get names(): string[] {
    return [...this.#processes.keys()];
  }

  /** Where a port of a service is on this machine. */
  port(service: string, port: number): number {
    const found = this.#ports.get(`${service}:${port}`);
    if (found === undefined) throw new Error(`nothing in the file names port ${port} of ${service}`);
    return found;
  }

  /** As `docker compose run --rm NAME ...args`. */
  run(name: string, ...args: readonly string[]): Promise<string> {
    return this.runWith({}, name, ...args);
  }

  /** The same, where the environment of whoever starts Docker has these variables. */
  async runWith(variables: Variables, name: string, ...args: readonly string[]): Promise<string> {
    const service = this.#service(name);
    const words = [...(service.entrypoint ?? service.command ?? []), ...args];
    const [command = '', ...rest] = this.#words(name, words, variables);
    const { stdout } = await run(command, rest, {
      env: this.#environment(name, service, variables),
      timeout: HEALTHY_WITHIN_MS,
    });
    return stdout;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#processes.values()].map((process) => process.stop()));
    for (const port of this.#ports.values()) releasePort(port);
  }

  #service(name: string): ComposeService {
    const service = this.#file.services[name];
    if (service === undefined) throw new Error(`the file has no service ${name}`);
    return service;
  }

  async #reservePorts(): Promise<void> {
    const names = Object.keys(this.#file.services);
    for (const [name, service] of Object.entries(this.#file.services)) {
      const texts = [
        ...[...(service.command ?? []), ...(service.entrypoint ?? []), ...Object.values(service.environment)],
        ...('test' in service.healthcheck ? service.healthcheck.test : []),
        ...service.volumes.map((volume) => this.#configuration(mountOf(volume).from) ?? ''),
      ];
      for (const text of texts) {
        for (const [, host = '', port = ''] of text.matchAll(ADDRESS)) {
          const owner = names.includes(host) ? host : ANYWHERE.has(host) ? name : null;
          if (owner !== null) await this.#reserve(`${owner}:${port}`);
        }
        for (const [, port = ''] of text.matchAll(BARE_PORT)) await this.#reserve(`${name}:${port}`);
      }
      for (const [variable, value] of Object.entries(service.environment))
        if (OWN_PORTS.has(variable)) await this.#reserve(`${name}:${value}`);
    }
  }

  async #reserve(place: string): Promise<void> {
    if (!this.#ports.has(place)) this.#ports.set(place, await freePort());
  }

  async #start(name: string): Promise<void> {
    const service = this.#service(name);
    for (const volume of service.volumes) this.#mount(name, volume);
    const [command = '', ...args] = this.#words(name, service.command ?? []);
    const env = this.#environment(name, service);
    if ('disable' in service.healthcheck) {
      await run(command, args, { env, timeout: HEALTHY_WITHIN_MS });
      return;
    }
    const process = new ManagedProcess({
      name,
      command,
      args,
      env,
      logFile: join(this.#dir, `${name}.log`),
      stopTimeoutMs: Number.parseInt(service.stop_grace_period, 10) * 1_000,
    });
    this.#processes.set(name, process);
    await process.start();
    const check = service.healthcheck.test;
    await until(() => this.#isHealthy(name, check, env), {
      what: `${name} to be healthy`,
      timeoutMs: HEALTHY_WITHIN_MS,
      intervalMs: 250,
    });
  }

  async #isHealthy(
    name: string,
    [kind, ...test]: readonly string[],
    env: NodeJS.ProcessEnv,
  ): Promise<boolean> {
    const words = this.#words(name, test);
    // A process for each look is dear: the command line itself is run when it should succeed.
    const url = /http:[^'"\s]+/.exec(words.join(' '))?.[0];
    if (url !== undefined && !(await fetch(url)).ok) return false;
    // The image of the servers brings curl; this machine may not have it.
    if (words[0] === 'curl') return true;
    const [command = '', ...args] = kind === 'CMD-SHELL' ? ['sh', '-c', ...words] : words;
    await run(command, args, { env, timeout: 10_000 });
    return true;
  }

  #environment(name: string, service: ComposeService, variables: Variables = {}): NodeJS.ProcessEnv {
    const { PATH = '', HOME = '' } = process.env;
    const own = Object.entries(service.environment).map(([variable, value]) => [
      variable,
      OWN_PORTS.has(variable)
        ? String(this.port(name, Number(value)))
        : this.#localized(value, name, variables),
    ]);
    return { PATH, HOME, ...Object.fromEntries(own) };
  }

  #words(name: string, words: readonly string[], variables: Variables = {}): string[] {
    // Compose takes `$$` for a dollar sign that is not its own.
    return words.map((word) => this.#localized(word.replaceAll('$$', '$'), name, variables));
  }

  /** A folder for a volume; a copy, with addresses and paths of this machine, for a configuration file. */
  #mount(name: string, volume: string): void {
    const { from, to } = mountOf(volume);
    const text = this.#configuration(from);
    const path = this.#pathOf(name, from, to);
    mkdirSync(text === null ? path : dirname(path), { recursive: true });
    if (text !== null) writeFileSync(path, this.#localized(text, name));
  }

  #configuration(from: string): string | null {
    return from.startsWith('.') ? readFileSync(this.#fileOf(from), 'utf8') : null;
  }

  #fileOf(path: string): string {
    return path.startsWith(SECRETS)
      ? join(this.#secrets, path.slice(SECRETS.length))
      : resolve(this.#folder, path);
  }

  /** A container has the secrets that are listed for it, and no others. */
  #secretOf(name: string, secret: string, variables: Variables): string {
    const { file } = this.#file.secrets[secret] ?? {};
    if (file === undefined || !this.#service(name).secrets.includes(secret))
      throw new Error(`${name} is not given the secret ${secret}`);
    const path = this.#fileOf(
      file.replaceAll(VARIABLE, (_, variable, other) => variables[variable] ?? other),
    );
    if (!existsSync(path)) throw new Error(`${name}: the secret ${secret} should be in ${path}`);
    return path;
  }

  #pathOf(name: string, from: string, to: string): string {
    return from.startsWith('.') ? join(this.#dir, 'files', name, to) : join(this.#dir, 'volumes', from);
  }

  #localized(text: string, name: string, variables: Variables = {}): string {
    const service = this.#service(name);
    let local = text
      .replaceAll(ADDRESS, (all, host: string, port: string) => {
        const owner = ANYWHERE.has(host) ? name : host;
        const found = this.#ports.get(`${owner}:${port}`);
        return found === undefined ? all : `127.0.0.1:${found}`;
      })
      .replaceAll(BARE_PORT, (all, port: string) =>
        all.replace(port, String(this.#ports.get(`${name}:${port}`) ?? port)),
      )
      .replaceAll('0.0.0.0', '127.0.0.1')
      .replaceAll(/\/run\/secrets\/([\w.-]+)/g, (_, secret: string) =>
        this.#secretOf(name, secret, variables),
      )
      .replaceAll('/salvor/cli/', `${join(ROOT, 'packages/cli')}/`)
      .replaceAll(/(?<![\w./-])\/salvor\/([a-z-]+)\/dist\//g, `${ROOT}/services/$1/dist/`);
    for (const volume of service.volumes) {
      const { from, to } = mountOf(volume);
      local = local.replaceAll(
        new RegExp(`(?<![\\w./-])${to.replaceAll('.', '\\.')}(?![\\w-])`, 'g'),
        this.#pathOf(name, from, to),
      );
    }
    return local;
  }
}

const OWN_PORTS: ReadonlySet<string> = new Set(['SALVOR_HTTP_PORT', 'SALVOR_PAGE_PORT']);
/** `host:port`, also behind `//` and `=`. */
const ADDRESS = /(?<![\w.-])([a-z][a-z0-9-]*|0\.0\.0\.0|127\.0\.0\.1):(\d{3,5})\b/g;
/** A port of its own that stands alone: of an engine, and of a server that log-watcher spawns. */
const BARE_PORT = /(?:^(?:tls-)?port |-p |"SALVOR_HTTP_PORT":\s*")(\d{3,5})\b/gm;
/** `${NAME:-what else}` */
const VARIABLE = /\$\{([A-Z_]+):-([^}]*)\}/g;
const SECRETS = './secrets/';
const ANYWHERE: ReadonlySet<string> = new Set(['0.0.0.0', '127.0.0.1']);

/** Services in the order of what they depend on; those of profiles are not started. */
function waves(file: ComposeFile): string[][] {
  const left = new Set(
    Object.entries(file.services).flatMap(([name, { profiles }]) => (profiles.length === 0 ? [name] : [])),
  );
  const ordered: string[][] = [];
  while (left.size > 0) {
    const wave = [...left].filter((name) =>
      Object.keys(file.services[name]?.depends_on ?? {}).every((other) => !left.has(other)),
    );
    if (wave.length === 0) throw new Error(`services wait for one another: ${[...left].join(', ')}`);
    for (const name of wave) left.delete(name);
    ordered.push(wave);
  }
  return ordered;
}
