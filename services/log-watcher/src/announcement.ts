import type { EventInits, EventType } from '@salvor/contracts';

type AnnouncementOf<T extends EventType> = { readonly type: T; readonly payload: EventInits[T] };

/** An event that this service publishes. */
export type Announcement =
  | AnnouncementOf<'engine.failure-reported'>
  | AnnouncementOf<'repair.completed'>
  | AnnouncementOf<'log.line-rejected'>
  | AnnouncementOf<'nbdserver.started'>
  | AnnouncementOf<'nbdserver.exited'>;

/** Where announcements go. */
export interface Publisher {
  /**
   * Resolves when the bus has stored it; keeps trying over any outage. The same id again is the same event. Rejects only
   * when the publisher closes.
   */
  publish(announcement: Announcement, id: string): Promise<void>;
}
