/**
 * Carries messages between nodes. The network may lose, delay, repeat and reorder whatever it is given; it
 * never alters a message. `Message` values are immutable: sender and receiver may share one object.
 */
export interface Network<Message> {
  /** Hands over one message and returns at once. There is no word on its fate. `to` is a node id. */
  send(to: number, message: Message): void;
  /** The same, to whoever listens at an address: for a node that knows nobody yet. */
  sendToAddress(address: string, message: Message): void;
  /** Tells where a node is to be found from now on. A message to a node never located is lost. */
  locate(node: number, address: string): void;
}
