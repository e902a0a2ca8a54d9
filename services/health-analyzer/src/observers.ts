import type { Bus, ServiceInfo } from '@salvor/bus';
import { type CommandName, commandSubject } from '@salvor/contracts';
import { type Logger, messageOf } from '@salvor/service-kit';
import type { ProbeFinding, ProbeTarget } from '@salvor/vdisk';
import type { Word } from './observation.ts';

/** How long instances have to say that they are there. */
const DISCOVERY_MS = 150;
/** For how long it is taken that the same instances are there. */
const DISCOVERED_KEPT_MS = 5_000;
/** For how long it is taken that there is no server. */
const NOBODY_KEPT_MS = 500;
/** Instances of a service that are asked; with more of them, the first to answer. */
const ASKED_MAX = 64;

export interface ObserversOptions {
  readonly bus: Pick<Bus, 'discover' | 'request'>;
  /** The instance that asks, which is not asked. */
  readonly self: string;
  /** How long an answer may take; longer than a probe that hangs. */
  readonly timeoutMs: number;
  readonly now: () => number;
  readonly log: Logger;
}

interface Found {
  readonly servers: readonly string[];
  readonly analyzers: readonly string[];
  /** In `performance.now()` milliseconds. */
  readonly goodUntil: number;
}

/** Every NBD server and every other analyzer, asked over the bus how they see an engine. */
export class Observers {
  readonly #options: ObserversOptions;
  #found: Found | null = null;
  /** One round of discovery, however many ask at once: everybody on the bus answers each. */
  #discovering: Promise<Found> | null = null;

  constructor(options: ObserversOptions) {
    this.#options = options;
  }

  /** Asks everybody at once, and tells each answer when it comes. Resolves when all have answered, or had the time to. */
  async ask(target: ProbeTarget, told: (seen: Word) => void): Promise<void> {
    const { servers, analyzers } = await this.#instances();
    await Promise.all([
      ...servers.map((server) => this.#askServer(server, target, told)),
      ...analyzers.map((analyzer) => this.#askAnalyzer(analyzer, target, told)),
    ]);
  }

  #instances(): Promise<Found> {
    if (this.#found !== null && performance.now() < this.#found.goodUntil)
      return Promise.resolve(this.#found);
    this.#discovering ??= this.#discover().finally(() => {
      this.#discovering = null;
    });
    return this.#discovering;
  }

  async #discover(): Promise<Found> {
    const { bus, self } = this.#options;
    const found = (name: string): Promise<ServiceInfo[]> => bus.discover({ name, windowMs: DISCOVERY_MS });
    const [nbdServers, healthAnalyzers] = await Promise.all([found('nbd-server'), found('health-analyzer')]);
    const servers = instances(nbdServers, 'nbdserver.probe');
    const analyzers = instances(healthAnalyzers, 'engine.probe').filter((analyzer) => analyzer !== self);
    // That no server answered may be because the machine is busy: who would repair the engine is looked for again soon.
    const keptMs = servers.length === 0 ? NOBODY_KEPT_MS : DISCOVERED_KEPT_MS;
    this.#found = { servers, analyzers, goodUntil: performance.now() + keptMs };
    return this.#found;
  }

  async #askServer(
    observer: string,
    { address, db, identity }: ProbeTarget,
    told: (seen: Word) => void,
  ): Promise<void> {
    const { bus, timeoutMs, now } = this.#options;
    const request = { address, db, identity: identity ?? '' };
    await this.#told(observer, async () => {
      const reply = await bus.request('nbdserver.probe', request, { instance: observer, timeoutMs });
      const kind = kindOf(reply.status);
      const vdisks = reply.vdisks.map(({ vdisk, missedWrites = null }) => ({ vdisk, missedWrites }));
      told({ observer, role: 'server', kind, detail: reply.reason, at: now(), vdisks });
    });
  }

  async #askAnalyzer(
    observer: string,
    { address, db }: ProbeTarget,
    told: (seen: Word) => void,
  ): Promise<void> {
    const { bus, timeoutMs, now } = this.#options;
    await this.#told(observer, async () => {
      const reply = await bus.request('engine.probe', { address, db }, { instance: observer, timeoutMs });
      const kind = kindOf(reply.status);
      told({ observer, role: 'analyzer', kind, detail: reply.reason, at: now(), vdisks: [] });
    });
  }

  /** Who does not answer has not seen anything. */
  async #told(observer: string, asked: () => Promise<void>): Promise<void> {
    try {
      await asked();
    } catch (error) {
      this.#options.log.debug({ observer, error: messageOf(error) }, 'an observer did not answer');
    }
  }
}

/** The instances that serve a command on a subject of their own. */
function instances(services: readonly ServiceInfo[], command: CommandName): string[] {
  const prefix = `${commandSubject(command)}.`;
  const names = services.flatMap(({ endpoints }) =>
    endpoints
      .filter(({ subject }) => subject.startsWith(prefix))
      .map(({ subject }) => subject.slice(prefix.length)),
  );
  return [...new Set(names)].slice(0, ASKED_MAX);
}

const kinds: ReadonlySet<string> = new Set<ProbeFinding['kind']>([
  'healthy',
  'loading',
  'unreachable',
  'hung',
  'refuses-commands',
  'identity-lost',
  'identity-mismatch',
]);

/** A word that this version does not know is no good sign. */
function kindOf(status: string): ProbeFinding['kind'] {
  return kinds.has(status) ? (status as ProbeFinding['kind']) : 'refuses-commands';
}
