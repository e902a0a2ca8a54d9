#!/usr/bin/env node
import { runCli } from './cli.ts';
import { endWhenReaderIsGone, processTerminal } from './terminal.ts';

endWhenReaderIsGone();
process.exitCode = await runCli(process.argv.slice(2), processTerminal());
