import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { stat, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { endpointText, exportUri, parseEndpoint } from '../../src/nbd/endpoint.ts';
import { RawClient } from './raw-client.ts';
import { serve, temporaryDirectory } from './served.ts';

test('endpoints are read and written back', () => {
  for (const text of [
    'tcp:127.0.0.1:10809',
    'tcp:localhost:0',
    'tcp:[::1]:10809',
    'unix:/run/salvor/nbd.sock',
  ]) {
    assert.equal(endpointText(parseEndpoint(text)), text);
  }
  const wrong = [
    '',
    'tcp:',
    'tcp:host',
    'tcp:host:70000',
    'tcp:::1:5',
    'unix:relative',
    `unix:/${'x'.repeat(107)}`,
    'udp:a:1',
  ];
  for (const text of wrong)
    assert.throws(() => parseEndpoint(text), { code: 'invalid-endpoint', message: /expected/ }, text);
});

test('export names are escaped in URIs', () => {
  assert.equal(exportUri({ kind: 'tcp', host: '::1', port: 7 }, 'a b/ü'), 'nbd://[::1]:7/a%20b%2F%C3%BC');
  assert.equal(exportUri({ kind: 'unix', path: '/run/x' }, 'd'), 'nbd+unix:///d?socket=/run/x');
});

test('a socket file left by a dead process is replaced, and gets the permissions asked for', async (t) => {
  const directory = await temporaryDirectory(t);
  const path = `${directory}/stale.sock`;
  const program = `require('net').createServer().listen('${path}', () => process.kill(process.pid, 'SIGKILL'))`;
  await once(spawn(process.execPath, ['-e', program]), 'exit');
  assert.ok((await stat(path)).isSocket());
  const { server } = await serve(t, { endpoints: [`unix:${path}`], unixMode: 0o600 });
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  (await RawClient.connect(`unix:${path}`)).close();
  await server.close({ deadlineMs: 100 });
  await assert.rejects(stat(path));
});

test('a socket in use and a file that is no socket stay as they are', async (t) => {
  const { unix, tcp, directory } = await serve(t);
  await assert.rejects(serve(t, { endpoints: [unix] }), { code: 'endpoint-in-use' });
  await assert.rejects(serve(t, { endpoints: [tcp] }), { code: 'endpoint-in-use' });
  await writeFile(`${directory}/precious`, 'data');
  await assert.rejects(serve(t, { endpoints: [`unix:${directory}/precious`] }), { code: 'not-a-socket' });
  await assert.rejects(serve(t, { endpoints: ['unix:/nowhere/at/all.sock'] }), { code: 'cannot-listen' });
  (await RawClient.onExport(unix, 'd')).close();
});

test('a server that cannot have all its endpoints keeps none', async (t) => {
  const { tcp, directory } = await serve(t);
  const other = `unix:${directory}/other.sock`;
  await assert.rejects(serve(t, { endpoints: [other, tcp] }), { code: 'endpoint-in-use' });
  await assert.rejects(RawClient.connect(other));
});
