/** Times and durations for people, as in the stories. */
export { clockText, dateTimeText, durationText } from '@salvor/story';
