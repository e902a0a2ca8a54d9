/** What the commands have in common with which somebody steers healing: they say who, and why. */
import type { Arguments } from '../arguments.ts';
import type { OptionSpecs } from '../command.ts';
import { operationIdOption } from './vdisk.ts';

export const byHandOptions: OptionSpecs = {
  reason: { type: 'string', required: true, value: 'text', help: 'why; kept in the audit trail' },
  by: { type: 'string', value: 'id', help: 'who decides (default operator)' },
  'operation-id': operationIdOption,
};

export function byHand(args: Arguments): {
  reason: string;
  by: string | undefined;
  operationId: string | undefined;
} {
  return { reason: args.required('reason'), by: args.text('by'), operationId: args.text('operation-id') };
}
