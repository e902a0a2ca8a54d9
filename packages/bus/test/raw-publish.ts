import { once } from 'node:events';
import { connect } from 'node:net';

/** Publishes over the bare protocol, because client libraries refuse to send what is malformed. */
export async function publishRaw(
  port: number,
  subject: string,
  headerBlock: string,
  body: Uint8Array,
  reply = '',
): Promise<void> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'data');
  const header = Buffer.from(headerBlock, 'latin1');
  const line = `HPUB ${subject} ${reply} ${header.length} ${header.length + body.length}\r\n`;
  socket.write('CONNECT {"verbose":false,"pedantic":false,"headers":true}\r\n');
  socket.write(Buffer.concat([Buffer.from(line), header, body, Buffer.from('\r\nPING\r\n')]));
  let seen = '';
  for await (const chunk of socket) {
    seen += String(chunk);
    if (seen.includes('PONG')) break;
  }
  socket.destroy();
  if (seen.includes('-ERR')) throw new Error(`the server refused the raw message: ${seen}`);
}
