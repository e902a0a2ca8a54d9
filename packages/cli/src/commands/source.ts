import type { Command } from '../command.ts';
import { printable, table } from '../rendering/text.ts';

export const sourceCommands: readonly Command[] = [
  {
    name: 'source list',
    sends: 'source.list',
    examples: ['salvor source list'],
    async run({ paint, print, withBus }) {
      const { reply, json } = await withBus((session) => session.ask('source.list', {}));
      const rows = reply.sources.map((source) => [
        printable(source.source),
        source.kind,
        `${source.linesRead}`,
        `${source.linesRejected}`,
        source.child === undefined ? '-' : `${source.child.pid}`,
        source.child === undefined ? '-' : `${source.child.restarts}`,
      ]);
      const headers = ['source', 'kind', 'lines', 'rejected', 'pid', 'restarts'];
      print(json, () => table(paint, headers, rows, 'no log sources'));
    },
  },
];
