import net from 'node:net';

/**
 * What becomes of bytes on a line. `cut`: connections are ended, and new ones at once. `silent`: nothing comes through in
 * either direction, and nobody is told. `mute`: what is asked arrives, what is answered does not.
 */
export type LineState = 'open' | 'cut' | 'silent' | 'mute';

/** A TCP line between a process and a server that a test can disturb while both stay up. */
export class CuttableLine implements AsyncDisposable {
  readonly #server: net.Server;
  readonly #connections = new Set<LineConnection>();
  #state: LineState = 'open';
  #answeredBytes = 0;

  private constructor(targetPort: number) {
    this.#server = net.createServer({ allowHalfOpen: true }, (near) => {
      near.on('error', ignore);
      if (this.#state === 'cut') {
        near.destroy();
        return;
      }
      const connection = new LineConnection(near, targetPort, this.#state, () => {
        if (this.#connections.delete(connection)) this.#answeredBytes += connection.answeredBytes;
      });
      this.#connections.add(connection);
    });
  }

  /** A line to a port of this machine. `listen`: path of a unix socket as its near end; default a free port. */
  static async to(targetPort: number, listen?: string): Promise<CuttableLine> {
    const line = new CuttableLine(targetPort);
    await new Promise<void>((resolve, reject) => {
      line.#server.once('error', reject);
      if (listen === undefined) line.#server.listen(0, '127.0.0.1', resolve);
      else line.#server.listen(listen, resolve);
    });
    return line;
  }

  /** Port of the near end. */
  get port(): number {
    const bound = this.#server.address();
    if (bound === null || typeof bound === 'string') throw new Error('the line is closed, or a unix socket');
    return bound.port;
  }

  /** `127.0.0.1:<port>` of the near end. */
  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** Bytes that came from the server, of all connections there ever were. */
  get answeredBytes(): number {
    return [...this.#connections].reduce((sum, each) => sum + each.answeredBytes, this.#answeredBytes);
  }

  get state(): LineState {
    return this.#state;
  }

  /** Ends every connection, and every new one at once. */
  cut(): void {
    this.disturb('cut');
  }

  /** Until {@link mend}. What a line that falls silent had taken before it still comes through then, however late. */
  disturb(state: Exclude<LineState, 'open'>): void {
    this.#become(state);
  }

  /** Carries everything again. */
  mend(): void {
    this.#become('open');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #become(state: LineState): void {
    this.#state = state;
    for (const connection of [...this.#connections]) connection.become(state);
  }
}

/** One connection through a line: two streams, each of which flows or is held. */
class LineConnection {
  readonly #near: net.Socket;
  readonly #targetPort: number;
  readonly #ended: () => void;
  #far: net.Socket | null = null;
  #asked: Flow | null = null;
  #answered: Flow | null = null;
  #state: LineState;
  /** Both ends are closed as soon as nothing is held any more. */
  #isClosing = false;

  constructor(near: net.Socket, targetPort: number, state: LineState, ended: () => void) {
    this.#near = near;
    this.#targetPort = targetPort;
    this.#ended = ended;
    this.#state = state;
    near.on('close', () => this.#close());
    this.become(state);
  }

  get answeredBytes(): number {
    return this.#far?.bytesRead ?? 0;
  }

  become(state: LineState): void {
    this.#state = state;
    if (state === 'cut') return this.#destroy();
    if (state !== 'silent' && this.#far === null) this.#connect();
    this.#asked?.set(state === 'open' || state === 'mute');
    this.#answered?.set(state === 'open');
    if (this.#isClosing) this.#close();
  }

  #connect(): void {
    const far = net.connect({
      port: this.#targetPort,
      host: '127.0.0.1',
      noDelay: true,
      allowHalfOpen: true,
    });
    far.on('error', ignore);
    far.on('close', () => this.#close());
    this.#far = far;
    this.#asked = new Flow(this.#near, far);
    this.#answered = new Flow(far, this.#near);
  }

  #close(): void {
    this.#isClosing = true;
    // Who is behind a line that is silent does not learn that the other one is gone.
    if (this.#state === 'open' || this.#state === 'cut') this.#destroy();
  }

  #destroy(): void {
    this.#near.destroy();
    this.#far?.destroy();
    this.#ended();
  }
}

/** One direction of a connection: each byte comes through once, however often it is held. */
class Flow {
  readonly #from: net.Socket;
  readonly #to: net.Socket;
  #flows = false;

  constructor(from: net.Socket, to: net.Socket) {
    this.#from = from;
    this.#to = to;
    from.pause();
  }

  set(flows: boolean): void {
    if (flows === this.#flows) return;
    this.#flows = flows;
    if (flows) {
      this.#from.pipe(this.#to);
      return;
    }
    this.#from.unpipe(this.#to);
    this.#from.pause();
  }
}

/** Its other end sees it closed. */
function ignore(): void {}
