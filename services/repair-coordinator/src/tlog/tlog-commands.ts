import type { CommandHandlers } from '@salvor/bus';
import {
  beginOperation,
  type ConfigStore,
  disableTlog,
  enableTlog,
  readTlog,
  TLOG_POLICIES,
  type TlogPolicy,
} from '@salvor/config-store';
import { SalvorError } from '@salvor/service-kit';
import { accepted } from '../command-replies.ts';
import type { TlogLogs } from './tlog-logs.ts';

export interface TlogCommandsOptions {
  readonly store: ConfigStore;
  readonly logs: TlogLogs;
}

const by = 'command';

/** The commands about transaction logs. */
export function tlogCommandHandlers({ store, logs }: TlogCommandsOptions): CommandHandlers {
  return {
    'tlog.enable': async ({ vdisk, policy }, { operationId: operation }) => {
      const wanted = { vdisk, policy: policyOf(policy) };
      const place = await logs.placeOf(vdisk);
      return accepted(await enableTlog(store, wanted, { operation, by, place }), { vdisk });
    },
    'tlog.disable': async ({ vdisk }, { operationId: operation }) => {
      const recorded = vdisk === '' ? null : await readTlog(store, vdisk);
      const result = await disableTlog(store, vdisk, { operation, by });
      if (result.outcome === 'applied' && recorded !== null)
        await logs.letGo(vdisk, recorded.config.container);
      return accepted(result, { vdisk });
    },
    'tlog.verify': async ({ vdisk }, { operationId: operation }) => {
      if (vdisk !== undefined && (await readTlog(store, vdisk)) === null)
        throw new SalvorError('no-log', `vdisk ${vdisk} has no transaction log`);
      const what =
        vdisk === undefined ? 'the archived logs of all vdisks are' : `the archived log of vdisk ${vdisk} is`;
      const message = `${what} being verified`;
      const request = vdisk === undefined ? {} : { vdisk };
      const subject = vdisk ?? 'all';
      return accepted(
        await beginOperation(store, {
          operation,
          kind: 'tlog.verify',
          request,
          subject,
          message,
          checkpoint: request,
        }),
        {},
      );
    },
    'tlog.status': async ({ vdisk }) => ({ logs: await logs.describe(vdisk) }),
  };
}

/** @throws SalvorError `invalid-policy` */
export function policyOf(text: string): TlogPolicy {
  const policy = TLOG_POLICIES.find((each) => each === text);
  if (policy === undefined)
    throw new SalvorError('invalid-policy', `policy is one of ${TLOG_POLICIES.join(', ')}, found ${text}`);
  return policy;
}
