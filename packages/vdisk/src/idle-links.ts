import type { EngineSession } from './engine-session.ts';
import type { PairMember } from './pair-member.ts';

/** Links that nobody used for so long, or up to twice as long, are closed unless settings say otherwise, in milliseconds. */
const LINK_IDLE_MS = 15_000;

/**
 * Closes the links of a pair that nobody uses: a server with a thousand idle vdisks would hold sixteen thousand. The next
 * use opens and checks them like links that broke. Whether an engine lives is looked at by the health-analyzer meanwhile.
 */
export class IdleLinks {
  readonly #members: () => readonly PairMember[];
  readonly #idleMs: number;
  readonly #seen = new Map<PairMember, { session: EngineSession; requests: number }>();
  #timer: NodeJS.Timeout | null = null;

  constructor(members: () => readonly PairMember[], idleMs = LINK_IDLE_MS) {
    this.#members = members;
    this.#idleMs = idleMs;
  }

  start(): void {
    this.#timer ??= setInterval(() => this.#look(), this.#idleMs).unref();
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    this.#seen.clear();
  }

  #look(): void {
    for (const member of this.#members()) {
      const { session } = member;
      const seen = this.#seen.get(member);
      if (session === null) this.#seen.delete(member);
      else if (session.isWaiting || seen?.session !== session || seen.requests !== session.requests)
        this.#seen.set(member, { session, requests: session.requests });
      else member.closeIdle();
    }
  }
}
