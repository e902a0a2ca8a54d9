import { StoreError } from './errors.ts';

/** etcd tells in words alone that a revision is not there (its errors ErrCompacted and ErrFutureRev). */
export function revisionError(error: unknown, revision: string): unknown {
  if (!(error instanceof StoreError)) return error;
  if (error.message.includes('required revision has been compacted')) {
    const message = `etcd does not hold revision ${revision} any more: it was compacted; name a later one, or none`;
    return new StoreError('compacted', message, { cause: error });
  }
  if (error.message.includes('required revision is a future revision')) {
    const message = `etcd has not reached revision ${revision} yet; name one that it has`;
    return new StoreError('future-revision', message, { cause: error });
  }
  return error;
}
