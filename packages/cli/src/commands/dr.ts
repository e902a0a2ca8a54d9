/** Disaster recovery: what both members of a pair have lost comes back from the transaction log. */
import { SalvorError } from '@salvor/service-kit';
import type { Command, OptionSpec } from '../command.ts';
import { recoveryText } from '../rendering/recovery-text.ts';
import { byHand, byHandOptions } from './by-hand.ts';
import { operationEnd } from './operation-end.ts';
import { outcomeText } from './outcome.ts';
import { operationIdOption } from './vdisk.ts';

const cluster: OptionSpec = { type: 'string', required: true, value: 'id', help: 'primary cluster' };
const by: OptionSpec = { type: 'string', value: 'id', help: 'who decides (default operator)' };
const REVISION_MAX = Number.MAX_SAFE_INTEGER;
/** Vdisks are looked at one by one. */
const slow = { timeoutMs: 45_000 } as const;

export const drCommands: readonly Command[] = [
  {
    name: 'dr plan',
    sends: 'dr.plan',
    options: {
      cluster,
      order: { type: 'boolean', help: 'the engines that are down will not come back, whatever was judged' },
      by,
      'operation-id': operationIdOption,
    },
    examples: ['salvor dr plan --cluster primary-1', 'salvor dr plan --cluster primary-1 --order --by alice'],
    async run({ args, paint, print, withBus }) {
      const request = {
        ...{ cluster: args.required('cluster'), order: args.flag('order') },
        ...{ by: args.text('by'), operationId: args.text('operation-id') },
      };
      const { reply, json } = await withBus((session) => session.ask('dr.plan', request, slow));
      print(json, () => recoveryText(paint, reply.recovery));
    },
  },
  {
    name: 'dr status',
    sends: 'dr.status',
    options: { cluster },
    examples: ['salvor dr status --cluster primary-1'],
    async run({ args, paint, print, withBus }) {
      const request = { cluster: args.required('cluster') };
      const { reply, json } = await withBus((session) => session.ask('dr.status', request, slow));
      print(json, () =>
        reply.recovery === undefined
          ? 'nothing was ever recovered here\n'
          : recoveryText(paint, reply.recovery),
      );
    },
  },
  {
    name: 'dr replay',
    sends: 'dr.replay',
    options: {
      cluster,
      vdisk: { type: 'string', value: 'id', help: 'only this vdisk' },
      before: {
        type: 'string',
        value: 'revision',
        help: 'revision of etcd with the configuration before the loss',
      },
      after: {
        type: 'string',
        value: 'revision',
        help: 'revision of etcd with the configuration that survived',
      },
      'dry-run': { type: 'boolean', help: 'only walk through the logs, and tell what would be written' },
      force: { type: 'boolean', help: 'take vdisks away from those who own them' },
      wait: { type: 'boolean', help: 'wait for the end; exit code 1 when it failed' },
      by,
      'operation-id': operationIdOption,
    },
    examples: [
      'salvor dr replay --cluster primary-1 --wait',
      'salvor dr replay --cluster primary-1 --vdisk v1 --before 1801 --after 1866',
      'salvor dr replay --cluster primary-1 --dry-run',
    ],
    async run({ args, paint, print, withBus }) {
      const request = {
        ...{ cluster: args.required('cluster'), vdisk: args.text('vdisk') },
        ...{ before: args.integer('before', 1, REVISION_MAX), after: args.integer('after', 1, REVISION_MAX) },
        ...{ dryRun: args.flag('dry-run'), force: args.flag('force') },
        ...{ by: args.text('by'), operationId: args.text('operation-id') },
      };
      const waits = args.flag('wait');
      const { reply, json, end } = await withBus(async (session) => {
        const answer = await session.ask('dr.replay', request, slow);
        return { ...answer, end: waits ? await operationEnd(session, answer.reply.operation) : null };
      });
      if (end === null) return print(json, () => outcomeText(paint, reply));
      const { status, message } = end.reply.operation;
      if (status !== 'completed') throw new SalvorError(`operation-${status}`, message);
      print(end.json, () => `${message}\n`);
    },
  },
  {
    name: 'dr cancel',
    sends: 'dr.cancel',
    options: { cluster, by, 'operation-id': operationIdOption },
    examples: ['salvor dr cancel --cluster primary-1 --by alice'],
    async run({ args, paint, print, withBus }) {
      const request = {
        ...{ cluster: args.required('cluster'), by: args.text('by') },
        operationId: args.text('operation-id'),
      };
      const { reply, json } = await withBus((session) => session.ask('dr.cancel', request));
      print(json, () => outcomeText(paint, reply));
    },
  },
  {
    name: 'dr accept-loss',
    sends: 'dr.accept-loss',
    positionals: [{ name: 'vdisk', help: 'the id of the vdisk' }],
    options: {
      blocks: {
        type: 'string',
        required: true,
        value: 'count',
        help: "how many blocks are given up: exactly what 'salvor dr status' says",
      },
      ...byHandOptions,
    },
    examples: ["salvor dr accept-loss v2 --blocks 52429 --reason 'it held a cache' --by alice"],
    async run({ args, paint, print, withBus }) {
      const blocks = args.integer('blocks', 0, REVISION_MAX) ?? 0;
      const request = { vdisk: args.positional('vdisk'), blocks, ...byHand(args) };
      const { reply, json } = await withBus((session) => session.ask('dr.accept-loss', request));
      print(json, () => outcomeText(paint, reply));
    },
  },
];
