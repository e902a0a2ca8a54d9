import type { Command } from '../command.ts';
import { completionScript } from '../completion.ts';
import { usageError } from '../failure.ts';

/** @param list every command; asked when it runs, since this is one of them */
export function completionCommand(list: () => readonly Command[]): Command {
  return {
    name: 'completion',
    description: 'Prints a script that completes salvor command lines in a shell.',
    positionals: [{ name: 'shell', help: 'bash or zsh' }],
    examples: ['salvor completion bash > /etc/bash_completion.d/salvor', 'source <(salvor completion zsh)'],
    async run({ args, terminal }) {
      const shell = args.positional('shell');
      if (shell !== 'bash' && shell !== 'zsh')
        throw usageError(`completion: expected <shell> to be bash or zsh, found '${shell}'`);
      terminal.out(completionScript(list(), shell));
    },
  };
}
