/**
 * Receives one event per protocol action, after the state has changed. Events are plain data.
 * A sink that is switched off is `undefined` at the place of use, so that nothing is built in vain.
 */
export interface TraceSink<Event> {
  emit(event: Event): void;
}
