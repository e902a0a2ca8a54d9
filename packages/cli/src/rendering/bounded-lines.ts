import { printable } from './text.ts';

/** Of what is wrong, the text shows so much; JSON has all of it. */
const MAX_SHOWN = 100;

/** Lines on stderr, of which there may be very many. */
export class BoundedLines {
  readonly #write: (text: string) => void;
  #count = 0;

  constructor(write: (text: string) => void) {
    this.#write = write;
  }

  tell(line: string): void {
    this.#count += 1;
    if (this.#count <= MAX_SHOWN) this.#write(`salvor: ${printable(line)}\n`);
  }

  /** Says how many were not shown, and where they are. */
  end(whereAll = '--json shows all'): void {
    const more = this.#count - MAX_SHOWN;
    if (more > 0) this.#write(`salvor: and ${more} more; ${whereAll}\n`);
  }
}
