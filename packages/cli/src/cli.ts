/** From words to an exit code: finds the command, runs it, and tells what went wrong. */
import { type Arguments, glance, readArguments } from './arguments.ts';
import type { Call, Command } from './command.ts';
import { allCommands, commandGroups, findCommand } from './commands/index.ts';
import { type ExitCode, exitCodes, type Failure, failureOf, usageError } from './failure.ts';
import { commandHelp, generalHelp, groupHelp, helpAsJson } from './help.ts';
import { type Paint, paintFor } from './rendering/paint.ts';
import { printable } from './rendering/text.ts';
import type { Terminal } from './terminal.ts';
import { version } from './version.ts';

/** Runs one command line, without the leading `salvor`. Never throws for what a user or a service did. */
export async function runCli(argv: readonly string[], terminal: Terminal): Promise<ExitCode> {
  const paint = paintFor(terminal);
  try {
    const { leading, help, version: wantsVersion } = glance(argv);
    if (wantsVersion || leading[0] === 'version') {
      terminal.out(`${version()}\n`);
    } else if (help || leading.length === 0 || leading[0] === 'help') {
      showHelp(leading[0] === 'help' ? leading.slice(1) : leading, terminal, paint, glance(argv).json);
    } else {
      const command = findCommand(leading);
      if (command === undefined) throw unknownCommand(leading);
      await command.run(callOf(readArguments(argv, command), terminal, paint));
    }
    return exitCodes.ok;
  } catch (error) {
    const failure = failureOf(error);
    terminal.err(glance(argv).json ? failureJson(failure) : failureText(failure, paint));
    return failure.exitCode;
  }
}

function callOf(args: Arguments, terminal: Terminal, paint: Paint): Call {
  return {
    args,
    terminal,
    paint,
    print: (json, text) => terminal.out(args.flag('json') ? `${JSON.stringify(json, null, 2)}\n` : text()),
    withBus: async (use) => {
      const { withSession } = await import('./connection.ts');
      return withSession(args, terminal, use);
    },
  };
}

function showHelp(words: readonly string[], terminal: Terminal, paint: Paint, json: boolean): void {
  const command = findCommand(words);
  const [group = ''] = words;
  if (json) terminal.out(`${JSON.stringify(helpAsJson(command ? [command] : allCommands), null, 2)}\n`);
  else if (command !== undefined) terminal.out(commandHelp(command, paint));
  else if (words.length === 0) terminal.out(generalHelp(paint));
  else if (commandGroups.has(group)) terminal.out(groupHelp(group, paint));
  else throw unknownCommand(words);
}

function unknownCommand(words: readonly string[]): Error {
  const [first = '', second] = words;
  const group: readonly Command[] | undefined = commandGroups.get(first);
  if (group === undefined) {
    const known = [...commandGroups.keys()].join(', ');
    return usageError(`there is no command '${printable(first)}'; there are ${known}; see 'salvor help'`);
  }
  const known = group.map(({ name }) => name.slice(first.length + 1)).join(', ');
  const found = second === undefined ? 'nothing' : `'${printable(second)}'`;
  return usageError(`${first}: expected one of ${known}, found ${found}; see 'salvor help ${first}'`);
}

function failureText({ message, details }: Failure, paint: Paint): string {
  const lines = details.map(({ path, expected, found }) => {
    const what = found === undefined ? '' : `, found ${printable(found)}`;
    return `  ${printable(path)}: expected ${printable(expected)}${what}\n`;
  });
  return `${paint('red', 'salvor:')} ${printable(message)}\n${lines.join('')}`;
}

function failureJson({ code, message, details, exitCode }: Failure): string {
  return `${JSON.stringify({ code, message, details, exitCode })}\n`;
}
