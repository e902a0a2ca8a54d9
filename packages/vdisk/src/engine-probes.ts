import {
  findingOf,
  type ProbeFinding,
  type ProbeOptions,
  type ProbeTarget,
  probeOver,
} from './engine-probe.ts';
import { unixSocketOf } from './engine-socket.ts';
import { EngineError } from './errors.ts';
import { RespLink } from './resp-link.ts';

/** A link that is older is made anew for the next probe: whether an engine takes new connections belongs to being well. */
export const PROBE_LINK_AGE_MAX_MS = 5_000;
/** A link that nobody probes over for so long is closed, and how often that is looked for. */
const IDLE_MAX_MS = 60_000;
const IDLE_LOOK_MS = 5_000;

interface Probed {
  link: RespLink | null;
  /** `performance.now()` when the link was opened, and when it was last wanted. */
  openedAt: number;
  wantedAt: number;
  /** The probe under way, and what it asks. */
  running: { readonly identity: string | null; readonly finding: Promise<ProbeFinding> } | null;
}

/**
 * Probes of engines that are looked at again and again, over one link to each that stays open while the engine is found well.
 * A connection for each probe costs ten times the probe, on both sides, just when many engines fail at once.
 */
export class EngineProbes {
  readonly #options: ProbeOptions;
  readonly #probed = new Map<string, Probed>();
  readonly #idle: NodeJS.Timeout;
  #closed = false;
  /** Called when the link to an engine that was found well is ended by the engine: it may be gone. */
  onLost: (address: string) => void = () => {};

  constructor(options: ProbeOptions) {
    this.#options = options;
    this.#idle = setInterval(() => this.#closeIdle(), IDLE_LOOK_MS).unref();
  }

  /**
   * Looks at an engine now. Who asks while it is being looked at gets the answer of that look.
   *
   * @param linkAgeMaxMs over a link that is not older; 0 for one made for this
   */
  probe(target: ProbeTarget, linkAgeMaxMs: number = PROBE_LINK_AGE_MAX_MS): Promise<ProbeFinding> {
    const key = `${target.address}/${target.db}`;
    const probed = this.#probed.get(key) ?? { link: null, openedAt: 0, wantedAt: 0, running: null };
    this.#probed.set(key, probed);
    probed.wantedAt = performance.now();
    const { running } = probed;
    if (running !== null) {
      if (running.identity === target.identity) return running.finding;
      return running.finding.then(() => this.probe(target, linkAgeMaxMs));
    }
    const finding = this.#look(probed, target, linkAgeMaxMs).finally(() => {
      probed.running = null;
    });
    probed.running = { identity: target.identity, finding };
    return finding;
  }

  /** Links that are open. */
  get linkCount(): number {
    return [...this.#probed.values()].filter(({ link }) => link !== null).length;
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#idle);
    for (const probed of this.#probed.values()) drop(probed);
    this.#probed.clear();
  }

  async #look(probed: Probed, target: ProbeTarget, linkAgeMaxMs: number): Promise<ProbeFinding> {
    if (performance.now() - probed.openedAt > linkAgeMaxMs || linkAgeMaxMs === 0) drop(probed);
    const isKept = probed.link !== null;
    try {
      try {
        return await this.#over(probed, target);
      } catch (error) {
        // A kept link may have ended before it was used: that is no sign of how the engine is now.
        if (!isKept || !(error instanceof EngineError) || error.fault !== 'unreachable') throw error;
        return await this.#over(probed, target);
      }
    } catch (error) {
      drop(probed);
      if (!(error instanceof EngineError)) throw error;
      return findingOf(error, this.#options.now());
    }
  }

  async #over(probed: Probed, target: ProbeTarget): Promise<ProbeFinding> {
    probed.link ??= await this.#connect(probed, target);
    const finding = await probeOver(probed.link, target, this.#options);
    // Whoever was not well proves that it is as everybody else has to: from the connection on.
    if (finding.kind !== 'healthy' || this.#closed) drop(probed);
    return finding;
  }

  async #connect(probed: Probed, { address, db }: ProbeTarget): Promise<RespLink> {
    const { timeoutMs, login, engineSockets } = this.#options;
    const link = await RespLink.connect({
      ...{ address, db, login, unixSocket: unixSocketOf(engineSockets, address) },
      ...{ connectTimeoutMs: timeoutMs, commandTimeoutMs: timeoutMs, clientName: 'salvor:control' },
    });
    probed.openedAt = performance.now();
    link.onClose = () => {
      if (probed.link !== link) return;
      probed.link = null;
      if (probed.running === null) this.onLost(address);
    };
    return link;
  }

  #closeIdle(): void {
    for (const [key, probed] of this.#probed) {
      if (probed.running !== null || performance.now() - probed.wantedAt < IDLE_MAX_MS) continue;
      drop(probed);
      this.#probed.delete(key);
    }
  }
}

/** One look at an engine, over a link of its own. */
export async function probeEngine(target: ProbeTarget, options: ProbeOptions): Promise<ProbeFinding> {
  const probes = new EngineProbes(options);
  try {
    return await probes.probe(target, 0);
  } finally {
    probes.close();
  }
}

function drop(probed: Probed): void {
  const { link } = probed;
  probed.link = null;
  link?.close();
}
