import {
  type ApplyOptions,
  DEFAULT_LOG_CONTAINER_BYTES,
  DEFAULT_LOG_CONTAINERS,
  MAX_LOG_CONTAINERS,
} from '@salvor/bus';
import type { Arguments } from '../arguments.ts';
import type { Command, OptionSpecs } from '../command.ts';
import { CliError, exitCodes } from '../failure.ts';
import { counted, printable, table } from '../rendering/text.ts';
import { busUsersCommand } from './bus-users.ts';

const MAX_REPLICAS = 5;

const MAX_CONTAINER_MIB = 1024 * 1024;
const BYTES_A_MIB = 1024 * 1024;

const streamOptions: OptionSpecs = {
  replicas: {
    type: 'string',
    value: 'n',
    help: 'copies of each stream in a cluster of NATS servers (default 1)',
  },
  containers: {
    type: 'string',
    value: 'n',
    help: `streams the transaction log is spread over (default ${DEFAULT_LOG_CONTAINERS}); more can be added later, each vdisk keeps its own`,
  },
  'container-mib': {
    type: 'string',
    value: 'MiB',
    help: `room of each of these streams (default ${DEFAULT_LOG_CONTAINER_BYTES / BYTES_A_MIB}); what is archived makes room again`,
  },
};

function applyOptions(args: Arguments): ApplyOptions {
  const replicas = args.integer('replicas', 1, MAX_REPLICAS);
  const containers = args.integer('containers', 1, MAX_LOG_CONTAINERS);
  const containerMiB = args.integer('container-mib', 1, MAX_CONTAINER_MIB);
  return {
    ...(replicas === undefined ? {} : { replicas }),
    ...(containers === undefined ? {} : { containers }),
    ...(containerMiB === undefined ? {} : { containerBytes: containerMiB * BYTES_A_MIB }),
  };
}

export const busCommands: readonly Command[] = [
  busUsersCommand,
  {
    name: 'bus apply',
    description:
      'Makes streams, consumers and schemas as this version needs them. Running it again changes nothing.',
    options: streamOptions,
    examples: [
      'salvor bus apply',
      'salvor bus apply --replicas 3',
      'salvor bus apply --containers 8 --container-mib 4096',
    ],
    async run({ args, paint, print, withBus }) {
      const applied = await withBus(({ bus }) => bus.applyManifest(applyOptions(args)));
      print({ applied }, () => {
        // Schemas are many and named by fingerprint: their number is what matters.
        const rows = applied
          .filter(({ kind }) => kind !== 'schema')
          .map(({ kind, name, action }) => [kind, name, action]);
        const schemas = applied.filter(({ kind }) => kind === 'schema');
        const created = schemas.filter(({ action }) => action === 'created').length;
        const text = table(paint, ['kind', 'name', 'action'], rows, 'nothing to apply');
        return `${text}${counted(schemas.length, 'schema')}, ${created} of them new\n`;
      });
    },
  },
  {
    name: 'bus check',
    description:
      'Compares streams, consumers and schemas with what this version needs. Changes nothing; exits 1 when something differs.',
    options: streamOptions,
    examples: ['salvor bus check'],
    async run({ args, paint, print, withBus }) {
      const differences = await withBus(({ bus }) => bus.checkManifest(applyOptions(args)));
      const shown = (value: unknown) =>
        printable(typeof value === 'string' ? value : (JSON.stringify(value) ?? 'nothing'));
      print({ differences }, () =>
        differences.length === 0
          ? 'the bus is as it should be\n'
          : table(
              paint,
              ['kind', 'name', 'setting', 'expected', 'found'],
              differences.map(({ kind, name, setting, expected, found }) => [
                kind,
                name,
                setting ?? '-',
                cut(shown(expected)),
                cut(shown(found)),
              ]),
              '',
            ),
      );
      if (differences.length > 0) {
        throw new CliError(
          exitCodes.failed,
          'manifest-differs',
          `expected the bus to be as this version needs it, found ${counted(differences.length, 'difference')}; 'salvor bus apply' corrects them`,
        );
      }
    },
  },
];

const MAX_CELL_CHARACTERS = 60;

function cut(text: string): string {
  return text.length <= MAX_CELL_CHARACTERS ? text : `${text.slice(0, MAX_CELL_CHARACTERS - 1)}…`;
}
