/** What happened, told in sentences: events and incidents. The command line and the console tell the same story. */
export { eventSentence, isAlarming } from './event-sentence.ts';
export { type Happening, type IncidentStory, incidentStory, tellIncident } from './incident-story.ts';
export { clockText, dateTimeText, durationText } from './time.ts';
export { counted, printable } from './words.ts';
