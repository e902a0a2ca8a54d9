/** Examples of the commands about instances, as in `command-examples.ts`. */
import type { PlainJsonObject } from './types.ts';

const at = 1700000000000;
const applied = { operation: 'op-1b07', outcome: 'applied' };

const instance = {
  instance: 'vm-1',
  vdisks: ['v1'],
  zone: 'north',
  desired: 'started',
  status: 'stopped',
  reason: 'blocks of v1 have no live copy: shard 0 has no live member',
  stopHook: 'stop-vm',
  startHook: 'start-vm',
  restart: 'automatic',
  onServerExit: 'ignore',
  changedAt: at,
  incident: 'inc-7f3a',
  runs: ['0loyw3v28-5f1c07a2be9d4430'],
};

export const instanceCommandExamples = {
  'instance.delete': {
    request: { instance: 'vm-1' },
    reply: { instance: 'vm-1', ...applied, reason: 'instance vm-1 is forgotten' },
  },
  'instance.get': { request: { instance: 'vm-1' }, reply: { instance } },
  'instance.list': { request: { vdisk: 'v1' }, reply: { instances: [instance] } },
  'instance.set': {
    request: { instance: 'vm-1', vdisks: ['v1'], zone: 'north', stopHook: 'stop-vm', startHook: 'start-vm' },
    reply: { instance: 'vm-1', ...applied, reason: 'instance vm-1 uses v1' },
  },
  'instance.start': {
    request: { instance: 'vm-1' },
    reply: { instance: 'vm-1', ...applied, reason: 'instance vm-1 is to start' },
  },
  'instance.stop': {
    request: { instance: 'vm-1' },
    reply: { instance: 'vm-1', ...applied, reason: 'instance vm-1 is to stop' },
  },
} satisfies Record<string, { readonly request: PlainJsonObject; readonly reply: PlainJsonObject }>;
