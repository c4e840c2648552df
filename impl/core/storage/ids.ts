/** Numbers that the whole folder speaks in. */

/** Place in the sequence of all bytes ever committed to a directory. Monotone. */
export type Lsn = number;
/** Small integer that stands for a stream's name while the store is open. */
export type StreamId = number;
