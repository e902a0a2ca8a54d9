import type { TrackedInput } from './healing.ts';
import type { World } from './world.ts';

/** A report on its way to the coordinators. */
export interface Message {
  readonly cluster: string;
  readonly input: TrackedInput;
}

const REDELIVER_MS = 600;
const DELIVERIES_MAX = 6;

/** The work queue of the coordinators: messages are lost before they are stored, come twice, late, and out of order. */
export class Bus {
  readonly #world: World;
  /** Probability that a message is lost, comes twice, and takes long. */
  loss = 0;
  duplication = 0;
  delay = 0;

  constructor(world: World) {
    this.#world = world;
  }

  publish(message: Message): void {
    const { random } = this.#world;
    if (random.chance(this.loss)) return;
    this.#deliver(message, 1);
    if (random.chance(this.duplication)) this.#deliver(message, 1);
  }

  #deliver(message: Message, count: number): void {
    const { random, scheduler } = this.#world;
    const delayMs = random.chance(this.delay) ? random.between(100, 5_000) : random.between(0.5, 12);
    scheduler.after(delayMs, null, () => {
      const coordinator = random.pick(this.#world.coordinators);
      let isDone = false;
      const again = (): void => {
        if (!isDone && count < DELIVERIES_MAX) this.#deliver(message, count + 1);
      };
      scheduler.after(REDELIVER_MS, null, again);
      if (!coordinator.process.up) return;
      scheduler.after(0, coordinator.process, () =>
        coordinator.take(message, () => {
          isDone = true;
        }),
      );
    });
  }
}
