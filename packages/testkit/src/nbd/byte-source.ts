import type { Socket } from 'node:net';

interface Wanted {
  bytes: Buffer;
  filled: number;
  resolve(bytes: Buffer): void;
  reject(error: Error): void;
}

/** Hands out exactly as many bytes as asked for, in order, from a socket. One reader at a time. */
export class ByteSource {
  readonly #socket: Socket;
  #chunks: Buffer[] = [];
  #wanted: Wanted | null = null;
  #ended: Error | null = null;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk) => {
      this.#chunks.push(chunk);
      this.#serve();
    });
  }

  take(count: number): Promise<Buffer> {
    if (this.#ended !== null) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => {
      this.#wanted = { bytes: Buffer.allocUnsafe(count), filled: 0, resolve, reject };
      this.#serve();
    });
  }

  /** Rejects the reader that waits, and all that come. */
  end(error: Error): void {
    this.#ended = error;
    this.#wanted?.reject(error);
    this.#wanted = null;
    this.#chunks = [];
    this.#socket.removeAllListeners('data');
  }

  /** Lets go of the socket, of which nobody waits for anything: somebody else reads it now. */
  release(): void {
    this.#socket.removeAllListeners('data');
  }

  #serve(): void {
    const wanted = this.#wanted;
    if (wanted === null) return;
    while (wanted.filled < wanted.bytes.length) {
      const chunk = this.#chunks[0];
      if (chunk === undefined) return;
      const copied = chunk.copy(wanted.bytes, wanted.filled);
      wanted.filled += copied;
      if (copied === chunk.length) this.#chunks.shift();
      else this.#chunks[0] = chunk.subarray(copied);
    }
    this.#wanted = null;
    wanted.resolve(wanted.bytes);
  }
}
