/** The `salvor` command line as a library: for tests and demos that run it in their own process. */
export { runCli } from './cli.ts';
export { type ExitCode, exitCodeMeanings, exitCodes } from './failure.ts';
export type { Terminal } from './terminal.ts';
