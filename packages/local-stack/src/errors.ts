export type StackErrorCode =
  | 'program-missing'
  | 'process-exited'
  | 'not-ready'
  | 'not-running'
  | 'already-running'
  | 'still-running'
  | 'no-free-port'
  | 'deadline'
  | 'engine-reply'
  | 'stack-running'
  | 'command-failed'
  | 'certificates-failed';

/** What local servers and processes can do wrong. `message` says what was expected, what was found and what to do. */
export class StackError extends Error {
  readonly code: StackErrorCode;

  constructor(code: StackErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'StackError';
    this.code = code;
  }
}
