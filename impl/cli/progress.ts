/** How far a long command has come: one line on stderr that is written over, if a person sits there. */
export class Progress {
  private readonly text: () => string;
  private readonly timer: NodeJS.Timeout | undefined;

  /** Shows `text()` four times a second, on a terminal alone. */
  constructor(text: () => string) {
    this.text = text;
    if (process.stderr.isTTY === true) this.timer = setInterval(() => this.show(), 250);
  }

  /** Leaves an empty line behind. */
  end(): void {
    if (this.timer === undefined) return;
    clearInterval(this.timer);
    process.stderr.write('\r\u001b[K');
  }

  private show(): void {
    process.stderr.write(`\r\u001b[K${this.text()}`);
  }
}
