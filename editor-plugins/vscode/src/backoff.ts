/** How long to wait before a crashed server is started again, and when to give up. */

const FIRST_MS = 1_000;
const LONGEST_MS = 16_000;
const CRASHES_MAX = 5;
const WINDOW_MS = 3 * 60_000;

export class Backoff {
  private crashes: number[] = [];

  constructor(private readonly now: () => number = Date.now) {}

  /** Note a crash. Milliseconds until the next start, or undefined after too many in three minutes. */
  crashed(): number | undefined {
    const now = this.now();
    this.crashes = [...this.crashes.filter((at) => now - at < WINDOW_MS), now];
    if (this.crashes.length > CRASHES_MAX) {
      return undefined;
    }
    return Math.min(LONGEST_MS, FIRST_MS * 2 ** (this.crashes.length - 1));
  }

  /** The person starts it: count anew. */
  reset(): void {
    this.crashes = [];
  }
}
