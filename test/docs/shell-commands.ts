/** The simple commands in shell text, as far as documentation uses the shell: words, quotes, pipes, lists, substitutions. */

const SEPARATOR = /[|;&\n()`]/;

/** Each command as its words, without assignments, redirections and comments. */
export function shellCommands(script: string): string[][] {
  const commands: string[][] = [];
  let words: string[] = [];
  let word: string | null = null;
  let quote: string | null = null;
  const endWord = () => {
    if (word !== null) words.push(word);
    word = null;
  };
  const endCommand = () => {
    endWord();
    const command = plainWords(words);
    if (command.length > 0) commands.push(command);
    words = [];
  };
  const text = script.replace(/\\\n/g, ' ');
  for (let at = 0; at < text.length; at++) {
    const character = text[at] ?? '';
    if (quote !== null) {
      if (character === quote) quote = null;
      else word = (word ?? '') + character;
    } else if (character === "'" || character === '"') {
      quote = character;
      word ??= '';
    } else if (character === '#' && word === null) {
      while (at + 1 < text.length && text[at + 1] !== '\n') at++;
    } else if (SEPARATOR.test(character)) endCommand();
    else if (/\s/.test(character)) endWord();
    else word = (word ?? '') + character;
  }
  endCommand();
  return commands;
}

/** `--translate 'salvor decode'` holds a command of its own. */
export function withTranslations(commands: readonly (readonly string[])[]): string[][] {
  return commands.flatMap((command) => {
    const translation = command[command.indexOf('--translate') + 1];
    const has = command.includes('--translate') && translation !== undefined;
    return [[...command], ...(has ? shellCommands(translation) : [])];
  });
}

function plainWords(words: readonly string[]): string[] {
  const redirection = words.findIndex((word) => /^\d?[<>]/.test(word));
  const kept = redirection < 0 ? words : words.slice(0, redirection);
  const first = kept.findIndex((word) => !/^([A-Za-z_]+=.*|\$)$/.test(word));
  return first < 0 ? [] : kept.slice(first);
}
