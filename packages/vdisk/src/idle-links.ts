import { EngineSession } from './engine-session.ts';
import type { PairMember } from './pair-member.ts';

/** Links that nobody used for so long, or up to twice as long, are closed unless settings say otherwise, in milliseconds. */
const LINK_IDLE_MS = 5_000;
/** Sessions of the process that may stay open although nobody uses them: those of 64 vdisks on 4 pairs. */
const IDLE_SESSIONS_MAX = 512;

export interface IdleLinkSettings {
  readonly linkIdleMs?: number | undefined;
  readonly idleSessionsMax?: number | undefined;
}

/**
 * Closes the links of a pair that nobody uses when the process has many: with a thousand idle vdisks it would hold sixteen
 * thousand. The next use opens and checks them like links that broke. Those of a few are kept, for an open link is what a
 * vdisk can be served over beyond its lease; the health-analyzer looks at the engines in any case.
 */
export class IdleLinks {
  readonly #members: () => readonly PairMember[];
  readonly #idleMs: number;
  readonly #sessionsMax: number;
  readonly #seen = new Map<PairMember, { session: EngineSession; requests: number }>();
  #timer: NodeJS.Timeout | null = null;

  constructor(members: () => readonly PairMember[], settings: IdleLinkSettings) {
    this.#members = members;
    this.#idleMs = settings.linkIdleMs ?? LINK_IDLE_MS;
    this.#sessionsMax = settings.idleSessionsMax ?? IDLE_SESSIONS_MAX;
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
      else if (EngineSession.openCount > this.#sessionsMax) member.closeIdle();
    }
  }
}
