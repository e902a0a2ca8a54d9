import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A folder of its own that is removed at the end: `await using dir = tempDir('repair')`. */
export function tempDir(purpose = 'test'): TempDir {
  return new TempDir(mkdtempSync(join(tmpdir(), `salvor-${purpose}-`)));
}

export class TempDir implements Disposable, AsyncDisposable {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  join(...parts: string[]): string {
    return join(this.path, ...parts);
  }

  /** Servers that were just killed may still be closing files: a few tries. */
  remove(): void {
    rmSync(this.path, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
  }

  [Symbol.dispose](): void {
    this.remove();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.remove();
  }
}
