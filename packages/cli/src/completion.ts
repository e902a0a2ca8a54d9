/** Completion of command lines in bash, and in zsh through its `bashcompinit`, made from the definitions of the commands. */
import { commonOptions } from './arguments.ts';
import type { Command } from './command.ts';

export type Shell = 'bash' | 'zsh';

export function completionScript(list: readonly Command[], shell: Shell): string {
  const cases = [...wordsByPath(list)].map(
    ([path, words]) => `    '${path}') words='${words.join(' ')}' ;;\n`,
  );
  const loading = shell === 'zsh' ? 'autoload -U +X compinit bashcompinit && compinit && bashcompinit\n' : '';
  return `${loading}_salvor() {
  local current=\${COMP_WORDS[COMP_CWORD]} path='' next='' words='' i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "\${COMP_WORDS[i]}" in -*) continue ;; esac
    next="\${path:+$path }\${COMP_WORDS[i]}"
    case "$next" in
${[...wordsByPath(list).keys()]
  .filter((path) => path !== '')
  .map((path) => `      '${path}') path=$next ;;\n`)
  .join('')}      *) : ;;
    esac
  done
  case "$path" in
${cases.join('')}  esac
  # Where nothing of this fits, the names of files do.
  COMPREPLY=($(compgen -W "$words" -- "$current" || true))
  [ \${#COMPREPLY[@]} -gt 0 ] || COMPREPLY=($(compgen -f -- "$current" || true))
}
complete -F _salvor salvor
`;
}

/** What may follow the words of a command: the next word of its name, or its options. */
function wordsByPath(list: readonly Command[]): Map<string, string[]> {
  const found = new Map<string, Set<string>>([['', new Set(['help', '--help', '--version'])]]);
  const add = (path: string, word: string): void => {
    found.set(path, (found.get(path) ?? new Set()).add(word));
  };
  for (const { name, options } of list) {
    const words = name.split(' ');
    for (const [depth, word] of words.entries()) add(words.slice(0, depth).join(' '), word);
    for (const option of Object.keys({ ...options, ...commonOptions })) add(name, `--${option}`);
  }
  return new Map([...found].map(([path, words]) => [path, [...words]]));
}
