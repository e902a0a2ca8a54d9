/**
 * A reader of values that remembers what it read last. A process with a thousand vdisks reads the same few values for each of
 * them, again and again: to make sense of one takes longer than to fetch it, and leaves tens of kilobytes behind.
 *
 * What is returned is shared by all who read the same value. What cannot be read is not remembered, so `about` may tell an error
 * which value it was.
 *
 * @param most values remembered
 */
export function rememberingReader<T, About extends readonly unknown[]>(
  read: (value: string, ...about: About) => T,
  most: number,
): (value: string, ...about: About) => T {
  const known = new Map<string, T>();
  return (value, ...about) => {
    const remembered = known.get(value);
    if (remembered !== undefined) return remembered;
    const result = frozen(read(value, ...about));
    known.set(value, result);
    const [oldest] = known.keys();
    if (known.size > most && oldest !== undefined) known.delete(oldest);
    return result;
  };
}

/** Nobody changes what others read too. */
function frozen<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  Object.freeze(value);
  for (const member of Object.values(value)) frozen(member);
  return value;
}
