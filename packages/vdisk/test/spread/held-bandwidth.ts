import { Bandwidth } from '../../src/copy/bandwidth.ts';

/** Lets so many steps through, and holds the others until it is opened: so that there is a middle of a spread. */
export class HeldBandwidth extends Bandwidth {
  #left: number;
  #open: () => void = () => {};
  readonly #opened: Promise<void>;

  constructor(steps: number) {
    super(0);
    this.#left = steps;
    this.#opened = new Promise((resolve) => {
      this.#open = resolve;
    });
  }

  override async take(): Promise<void> {
    if (this.#left-- <= 0) await this.#opened;
  }

  open(): void {
    this.#open();
  }
}
