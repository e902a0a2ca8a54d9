import { BlockHistory } from './block-history.ts';
import { BlockStory } from './block-story.ts';

/** What is kept of one block of a device. */
export class RecordedBlock {
  readonly history = new BlockHistory();
  readonly story = new BlockStory();
  /** Found wrong once: what follows from that would only be more of the same. */
  givenUp = false;
}
