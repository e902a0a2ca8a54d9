/** Help, made from the definitions of the commands and the catalogue, so that it stays true. */
import { commands } from '@salvor/contracts';
import { commonOptions } from './arguments.ts';
import type { Command, OptionSpecs } from './command.ts';
import { allCommands, commandGroups } from './commands/index.ts';
import { exitCodeMeanings } from './failure.ts';
import type { Paint } from './rendering/paint.ts';
import { indented, properties, shellWord } from './rendering/text.ts';

export function generalHelp(paint: Paint): string {
  return [
    'salvor: keeps network block storage serving while parts of it fail\n',
    section(paint, 'Usage', 'salvor <command> [options]\n'),
    section(paint, 'Commands', commandLines(paint, allCommands)),
    section(paint, 'Options', optionLines(paint, commonOptions)),
    section(
      paint,
      'Connection',
      [
        'The first of these that names a server is used:',
        '--server, SALVOR_NATS_SERVERS, NATS_URL, ./.salvor/salvor.json (written by salvor up),',
        '~/.config/salvor/context.json: {"natsUrl": "nats://host:4222", "natsCreds": "file"}',
        'Login: --creds, SALVOR_NATS_CREDS, NATS_CREDS, SALVOR_NATS_NKEY_SEED or SALVOR_NATS_NKEY_SEED_FILE, SALVOR_NATS_TLS_CA\n',
      ].join('\n'),
    ),
    section(paint, 'Exit codes', properties(paint, Object.entries(exitCodeMeanings))),
    "'salvor help <command>' shows one command.\n",
  ].join('\n');
}

export function groupHelp(group: string, paint: Paint): string {
  const members = commandGroups.get(group) ?? [];
  return [
    section(paint, 'Commands', commandLines(paint, members)),
    `'salvor help ${group} <command>' shows one command.\n`,
  ].join('\n');
}

export function commandHelp(command: Command, paint: Paint): string {
  const positionals = (command.positionals ?? []).map(({ name, help }) => [`<${name}>`, help] as const);
  const parts = [
    `${descriptionOf(command)}\n`,
    section(paint, 'Usage', `${usageOf(command)}\n`),
    positionals.length > 0 && section(paint, 'Arguments', properties(paint, positionals)),
    section(paint, 'Options', optionLines(paint, { ...command.options, ...commonOptions })),
    section(paint, 'Examples', command.examples.map((example) => `${example}\n`).join('')),
    command.sends !== undefined && section(paint, 'On the bus', onTheBus(command.sends)),
  ];
  return parts.filter((part) => part !== false).join('\n');
}

export function helpAsJson(shown: readonly Command[]): unknown {
  return shown.map((command) => ({
    name: command.name,
    description: descriptionOf(command),
    usage: usageOf(command),
    examples: command.examples,
    ...(command.sends === undefined ? {} : { subject: commands[command.sends].subject }),
  }));
}

function descriptionOf(command: Command): string {
  return command.sends === undefined
    ? command.description
    : (command.description ?? commands[command.sends].description);
}

function usageOf({ name, positionals, options }: Command): string {
  const words = (positionals ?? []).map((p) => (p.optional ? `[<${p.name}>]` : `<${p.name}>`));
  const specs = Object.entries(options ?? {});
  const needed = specs.flatMap(([option, { required, value, multiple }]) =>
    required ? [`--${option} <${value ?? option}>${multiple ? '…' : ''}`] : [],
  );
  const others = specs.length > needed.length ? ['[options]'] : [];
  return ['salvor', name, ...words, ...needed, ...others].join(' ');
}

function commandLines(paint: Paint, shown: readonly Command[]): string {
  return properties(
    paint,
    shown.map((command) => [command.name, firstSentence(descriptionOf(command))]),
  );
}

function optionLines(paint: Paint, options: OptionSpecs): string {
  return properties(
    paint,
    Object.entries(options).map(([name, { short, value, help, multiple }]) => [
      `${short === undefined ? '' : `-${short}, `}--${name}${value === undefined ? '' : ` <${value}>`}`,
      multiple ? `${help}; may be given several times` : help,
    ]),
  );
}

function onTheBus(name: keyof typeof commands): string {
  const { subject, service, example, idempotency } = commands[name];
  return `nats req ${subject} ${shellWord(JSON.stringify(example))}\nAnswered by ${service}. ${idempotency}\n`;
}

function firstSentence(text: string): string {
  return /^.*?[.](?= |$)/.exec(text)?.[0] ?? text;
}

function section(paint: Paint, heading: string, body: string): string {
  return `${paint('bold', heading)}\n${indented(body)}`;
}
