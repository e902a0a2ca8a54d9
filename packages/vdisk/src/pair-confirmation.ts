import type { Pair } from './pair.ts';
import type { PairMember } from './pair-member.ts';
import { isRequired } from './pair-mode.ts';
import { Frame } from './resp.ts';
import { decideServing, type Serving } from './serving.ts';

/** Asks the members of a pair, without opening a link, whether they still have our epoch, and decides on what they say. */
export async function confirmPair(pair: Pair): Promise<Serving> {
  const required = pair.members.filter(({ view }) => isRequired(view));
  const answers = await Promise.all(required.map((member) => hasOurEpoch(pair, member)));
  return decideServing({
    leaseIsValid: false,
    mode: pair.mode.kind,
    // As it is by now: a member that joined meanwhile was not asked.
    required: pair.members.filter(({ view }) => isRequired(view)).map(({ name }) => name),
    confirmed: required.filter((_, i) => answers[i] === true).map(({ name }) => name),
  });
}

async function hasOurEpoch(pair: Pair, member: PairMember): Promise<boolean> {
  const { session } = member;
  if (session === null) return false;
  try {
    await session.request(new Frame());
    return member.session === session;
  } catch (error) {
    try {
      pair.noteError(member, error);
    } catch {
      // Fenced or closed: the guard refuses for good.
    }
    return false;
  }
}
