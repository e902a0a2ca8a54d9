import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** Passes everything on to an engine, until a client says the word: then the engine seems to have died. */
export class BreakingEngine implements AsyncDisposable {
  readonly address: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #dead = false;

  private constructor(server: Server, port: number, word: string) {
    this.#server = server;
    this.address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on('connection', (client) => {
      const engine = connect({ host: '127.0.0.1', port });
      for (const socket of [client, engine]) {
        this.#sockets.add(socket);
        socket.on('error', () => undefined);
      }
      engine.pipe(client);
      client.on('data', (bytes) => {
        if (this.#dead || bytes.includes(word)) this.#die();
        else engine.write(bytes);
      });
      client.on('close', () => engine.destroy());
      engine.on('close', () => client.destroy());
    });
  }

  static async inFrontOf(port: number, word: string): Promise<BreakingEngine> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new BreakingEngine(server, port, word);
  }

  #die(): void {
    this.#dead = true;
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#die();
  }
}
