/** Where a command reads and writes: the process, or buffers in tests. */
import { createInterface } from 'node:readline';

export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Whether a person looks at stdout: colors, and redrawing in place. */
  readonly isInteractive: boolean;
  out(text: string | Uint8Array): void;
  err(text: string): void;
  readStdin(): Promise<Buffer>;
  /** The next line, without its end; empty when there is none. */
  readLine(): Promise<string>;
  /** Aborts at the first Ctrl-C or SIGTERM. From the first call on, the command itself must end for it. */
  interrupted(): AbortSignal;
}

/** What a pipe can carry at most into `decode`: a nats message is never larger. */
const MAX_STDIN_BYTES = 64 * 1024 * 1024;

export function processTerminal(): Terminal {
  let interruption: AbortSignal | undefined;
  return {
    env: process.env,
    cwd: process.cwd(),
    isInteractive: process.stdout.isTTY === true,
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    readStdin: () => readAll(process.stdin),
    readLine: () => firstLine(process.stdin),
    interrupted: () => {
      interruption ??= abortOnSignals();
      return interruption;
    },
  };
}

/** A reader that went away (`salvor events | head`) ends the command quietly. */
export function endWhenReaderIsGone(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    process.exit(error.code === 'EPIPE' ? 0 : 1);
  });
}

function abortOnSignals(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      // The second one does not wait for an orderly end.
      if (controller.signal.aborted) process.exit(130);
      controller.abort();
    });
  }
  return controller.signal;
}

function firstLine(stream: NodeJS.ReadableStream): Promise<string> {
  return new Promise((resolve) => {
    const lines = createInterface({ input: stream });
    lines.once('line', (line) => {
      resolve(line);
      lines.close();
    });
    lines.once('close', () => resolve(''));
  });
}

async function readAll(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of stream) {
    sizeBytes += chunk.length;
    if (sizeBytes > MAX_STDIN_BYTES) {
      throw new RangeError(`expected at most ${MAX_STDIN_BYTES} bytes on stdin, found more`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
