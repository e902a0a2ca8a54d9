import type { Engine } from './engine.ts';
import type { Faults } from './faults.ts';
import { Random } from './random.ts';
import type { Process } from './scheduler.ts';
import type { World } from './world.ts';

/** Moments so short that faults which come at any time hardly ever fall into them. */
const MOMENTS = ['batch-sent', 'copy-sent', 'blocks-copied', 'member-repaired'] as const;
export type Moment =
  | (typeof MOMENTS)[number]
  | 'repair-ended'
  | 'repairs-on-record'
  | 'repair-recorded'
  | 'spare-filled';

/** Keeps the stalled completions of a seed apart from its other ambushes. */
const STALL_SALT = 0x2545f491;
/** The same for spares that fail, for repairs whose end is lost, and for those that go on record late. */
const SPARE_SALT = 0x27d4eb2f;
const LOST_SALT = 0x165667b1;
const LATE_SALT = 0x61c88647;

/** How much later than an owner whose key is gone its rivals reach etcd again. */
const RIVALS_LATER_MS = 600;

/** Who is at it: the owner, the member that has everything, or is sent the batch first, and the other one. */
export interface Parties {
  readonly process: Process;
  readonly source: Engine;
  readonly target: Engine;
}

interface Ambush {
  readonly moment: Moment;
  readonly fromMs: number;
}

/**
 * Faults that wait for a moment, and fall into it. They are drawn apart from all the others: a seed without any goes as it
 * would go if there were none.
 */
export class Ambushes {
  readonly #world: World;
  readonly #faults: Faults;
  readonly #random: Random;
  readonly #stalls: Random;
  readonly #spares: Random;
  readonly #losses: Random;
  readonly #delays: Random;
  readonly #waiting: Ambush[] = [];
  #untilMs = 0;

  constructor(world: World, faults: Faults, seed: number) {
    this.#world = world;
    this.#faults = faults;
    this.#random = new Random(~seed);
    this.#stalls = new Random(seed ^ STALL_SALT);
    this.#spares = new Random(seed ^ SPARE_SALT);
    this.#losses = new Random(seed ^ LOST_SALT);
    this.#delays = new Random(seed ^ LATE_SALT);
  }

  plan(endMs: number): void {
    const random = this.#random;
    this.#untilMs = endMs;
    if (this.#stalls.chance(0.2))
      this.#waiting.push({ moment: 'repairs-on-record', fromMs: this.#stalls.between(150, endMs / 2) });
    if (this.#spares.chance(0.25))
      this.#waiting.push({ moment: 'spare-filled', fromMs: this.#spares.between(150, endMs / 2) });
    if (this.#losses.chance(0.2))
      this.#waiting.push({ moment: 'repair-recorded', fromMs: this.#losses.between(150, endMs) });
    if (this.#delays.chance(0.25))
      this.#waiting.push({ moment: 'repair-ended', fromMs: this.#delays.between(endMs / 2, endMs) });
    if (random.chance(0.5)) return;
    for (let i = random.whole(1, 3); i > 0; i--)
      this.#waiting.push({ moment: random.pick(MOMENTS), fromMs: random.between(150, endMs) });
  }

  /** Such a moment has come. */
  met(moment: Moment, parties: Parties): void {
    const { now } = this.#world.scheduler;
    if (this.#waiting.length === 0 || now >= this.#untilMs) return;
    const place = this.#waiting.findIndex((ambush) => ambush.moment === moment && ambush.fromMs <= now);
    if (place < 0) return;
    this.#waiting.splice(place, 1);
    switch (moment) {
      case 'batch-sent':
        return this.#tearBatch(parties);
      case 'copy-sent':
        return this.#strandCopy(parties);
      case 'blocks-copied':
        return this.#loseCopies(parties);
      case 'member-repaired':
        return this.#keepOffRecord(parties);
      case 'repair-ended':
        return this.#delayRecord(parties);
      case 'repairs-on-record':
        return this.#stallCompletion(parties);
      case 'repair-recorded':
        return this.#loseRepair(parties);
      case 'spare-filled':
        return this.#leaveSpareAlone(parties);
    }
  }

  /** One member gets the batch, the other one does not, and the owner dies before it can send it again. */
  #tearBatch({ process, source, target }: Parties): void {
    const random = this.#random;
    const [misses, gets] = random.chance(0.5) ? [source, target] : [target, source];
    this.#faults.cut(process, misses, 'cut', random.between(5, 300));
    const { scheduler } = this.#world;
    scheduler.after(random.between(3, 6), null, () => this.#crashOwner(process));
    if (!random.chance(0.6)) return;
    const awayMs = random.between(300, 2_600);
    scheduler.after(random.between(6, 40), null, () => this.#faults.crash(gets, awayMs));
  }

  /** What is copied stays in the sending host, and is delivered when the line is whole and others have gone on. */
  #strandCopy({ process, target }: Parties): void {
    this.#faults.cut(process, target, 'cut', this.#random.between(30, 700));
  }

  /** The member under repair forgets the last of what it got. */
  #loseCopies({ target }: Parties): void {
    const random = this.#random;
    const most = random.whole(1, random.pick([3, 8, 30]));
    const awayMs = random.chance(0.5) ? 0 : random.between(1, 300);
    this.#world.scheduler.after(random.between(0, 30), null, () =>
      this.#faults.loseTail(target, most, awayMs),
    );
  }

  /** The survivor fails as its partner is whole again, and etcd hears of neither for a while, then the owner dies. */
  #keepOffRecord({ process, source }: Parties): void {
    const random = this.#random;
    this.#faults.losesAnswers(random.between(300, 1_200));
    this.#faults.crash(source, random.between(300, 2_600));
    if (!random.chance(0.7)) return;
    this.#world.scheduler.after(random.between(50, 900), null, () => this.#crashOwner(process));
  }

  /** No server reaches etcd before the owner can tell, until its key is gone; the owner is the first that does again. */
  #delayRecord({ process }: Parties): void {
    const ms = this.#delays.between(1_900, 2_800);
    for (const server of this.#world.servers)
      this.#faults.cutEtcd(server.process, server.process === process ? ms : ms + RIVALS_LATER_MS);
  }

  /** The coordinators stop as they bring an engine online, and go on when it has failed, and come back, once more. */
  #stallCompletion({ target }: Parties): void {
    const random = this.#stalls;
    for (const { process } of this.#world.coordinators)
      this.#faults.stop(process, random.between(250, 1_600));
    this.#faults.crash(target, random.between(5, 60));
  }

  /** A spare has one vdisk, others perhaps not yet: its partner fails, it takes writes alone, and fails too. */
  #leaveSpareAlone({ source, target }: Parties): void {
    const random = this.#spares;
    const { coordinators, scheduler } = this.#world;
    // Were it online already, it would be an engine like any other.
    for (const { process } of coordinators)
      if (random.chance(0.7)) this.#faults.stop(process, random.between(20, 150));
    scheduler.after(random.between(1, 30), null, () =>
      this.#faults.crash(source, random.between(800, 2_600)),
    );
    scheduler.after(random.between(300, 1_400), null, () =>
      this.#faults.crash(target, random.between(50, 1_800)),
    );
  }

  /** The end of a repair that is on record is lost, and so are the owner that knows of it and the partner that has everything. */
  #loseRepair({ process, source, target }: Parties): void {
    const random = this.#losses;
    const { scheduler } = this.#world;
    scheduler.after(random.between(0, 4), null, () => {
      this.#faults.loseTail(target, random.whole(1, random.pick([3, 8])), 0);
      this.#faults.crash(source, random.between(2_000, 5_000));
      const owner = this.#world.servers.find((server) => server.process === process);
      if (owner !== undefined) this.#faults.crashProcess(owner, random.between(30, 2_500));
      if (random.chance(0.5)) return;
      // The end of that repair comes when the next owner has found out what is missing, or is about to.
      const ms = random.between(2_000, 3_000);
      for (const coordinator of this.#world.coordinators) this.#faults.stop(coordinator.process, ms);
    });
  }

  #crashOwner(process: Process): void {
    const owner = this.#world.servers.find((server) => server.process === process);
    if (owner !== undefined) this.#faults.crashProcess(owner, this.#random.between(30, 2_500));
  }
}
