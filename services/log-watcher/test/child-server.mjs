// Stands for an NBD server: does what the connections to its socket (argv[2]) tell it, one command a line.
import { rmSync, writeSync } from 'node:fs';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';

const socketPath = process.argv[2];
if (process.env.CHILD_EXITS !== undefined) process.exit(Number(process.env.CHILD_EXITS));
rmSync(socketPath, { force: true });
createServer((connection) => {
  createInterface(connection).on('line', (line) => {
    const { stderr, stdout, exit } = JSON.parse(line);
    if (stderr !== undefined) writeSync(2, stderr);
    if (stdout !== undefined) writeSync(1, stdout);
    connection.write(`${process.pid}\n`);
    if (exit !== undefined) process.exit(exit);
  });
  connection.on('error', () => {});
}).listen(socketPath);
