/** JSON as `rbd` prints it: ids and durations there go beyond 2^53. Pure. */

/** Digits that every double holds exactly. */
const SAFE_DIGITS = 15;

/**
 * Like JSON.parse, but integers that a double may not hold exactly come as text (`primary_snap_id` 18446744073709551614).
 *
 * @throws SyntaxError
 */
export function parseRbdJson(text: string): unknown {
  return JSON.parse(withLongIntegersQuoted(text));
}

function withLongIntegersQuoted(text: string): string {
  // Strings are matched first, so that digits in them stay as they are.
  return text.replace(/"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g, (token) =>
    /^-?\d+$/.test(token) && token.length > SAFE_DIGITS ? `"${token}"` : token,
  );
}
