/** Which directories commands may name: whoever may send commands is not to read, or write to, any other. */
import { realpath } from 'node:fs/promises';
import { dirname, isAbsolute, join, relative } from 'node:path';
import { SalvorError } from '@salvor/service-kit';

export class AllowedRoots {
  readonly #roots: readonly string[];

  constructor(roots: readonly string[]) {
    this.#roots = roots;
  }

  /** Links are followed first. Throws `root-not-allowed`. */
  async check(what: string, path: string): Promise<void> {
    const real = await resolved(path);
    for (const root of this.#roots) {
      const way = relative(await resolved(root), real);
      if (way === '' || !(way === '..' || way.startsWith('../') || isAbsolute(way))) return;
    }
    throw new SalvorError(
      'root-not-allowed',
      `expected ${what} to be in ${this.#roots.join(' or ')}, found ${path}${real === path ? '' : `, which is ${real}`}; SALVOR_TREE_ROOTS of segment-recovery says what is allowed`,
    );
  }
}

/** As far as it is there: a folder for backups may be made later. */
async function resolved(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch {
    const parent = dirname(path);
    return parent === path ? path : join(await resolved(parent), path.slice(parent.length));
  }
}
