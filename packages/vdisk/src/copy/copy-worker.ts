/** Entry of the thread that moves payload between engines, apart from the event loop that serves clients. */
import { parentPort } from 'node:worker_threads';
import { EngineError, FencedError } from '../errors.ts';
import { CopyJob, SideError } from './copy-job.ts';
import { SupersededCopyError } from './copy-lane.ts';
import type { CopyAnswer, CopyRequest, StepFault, StepResult } from './copy-messages.ts';

const jobs = new Map<number, CopyJob>();

function take(request: CopyRequest): void {
  switch (request.kind) {
    case 'open':
      jobs.set(request.job, new CopyJob(request.spec));
      return;
    case 'close':
      jobs.get(request.job)?.close();
      jobs.delete(request.job);
      return;
    case 'copy':
      return answer(request.id, request.job, (job) => job.copy(request.blocks, request.how));
    case 'compare':
      return answer(request.id, request.job, (job) => job.compare(request.blocks));
  }
}

function answer(id: number, job: number, step: (job: CopyJob) => Promise<StepResult>): void {
  const open = jobs.get(job);
  const done = open === undefined ? Promise.reject(new Error(`there is no job ${job}`)) : step(open);
  done.then(
    (result) => post({ id, result }),
    (error: unknown) => post({ id, fault: toFault(error) }),
  );
}

function post(message: CopyAnswer): void {
  parentPort?.postMessage(message);
}

function toFault(error: unknown): StepFault {
  const side = error instanceof SideError ? error.side : 'source';
  const cause = error instanceof SideError ? error.cause : error;
  const message = cause instanceof Error ? cause.message : String(cause);
  if (cause instanceof EngineError) return { side, kind: 'engine', fault: cause.fault, message };
  const kind =
    cause instanceof FencedError ? 'fenced' : cause instanceof SupersededCopyError ? 'superseded' : 'other';
  return { side, kind, fault: null, message };
}

parentPort?.on('message', (request: CopyRequest) => take(request));
