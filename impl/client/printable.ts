/** What others wrote, on a terminal: a name with control characters in it must not move the cursor, or hide what follows. */

/** Control characters, and those that turn the direction of what follows, are shown by their numbers, as in `\u001b`. */
export function printable(text: string): string {
  return text.replace(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what this is about.
    /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
