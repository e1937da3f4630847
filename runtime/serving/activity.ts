/** Counts the exchanges of a server that are open, and lets one wait for what it becomes. */
export class Activity {
  #open = 0;
  #onChange: (() => void) | undefined;

  /** Exchanges whose answer is not written. */
  get open(): number {
    return this.#open;
  }

  /** A request has come. */
  opened(): void {
    this.#open++;
    this.#onChange?.();
  }

  /** Its answer is written, or its connection gone. */
  closed(): void {
    this.#open--;
    this.#onChange?.();
  }

  /** Something else that conditions depend on has changed. */
  changed(): void {
    this.#onChange?.();
  }

  /** Waits until a condition holds; false if that takes until `deadline`, of performance.now(). One wait at a time. */
  async reaches(condition: () => boolean, deadline: number): Promise<boolean> {
    if (condition()) return true;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.#onChange = () => {
      if (condition()) resolve(true);
    };
    const timer = Number.isFinite(deadline)
      ? setTimeout(() => resolve(false), Math.max(0, deadline - performance.now()))
      : undefined;
    const holds = await promise;
    this.#onChange = undefined;
    clearTimeout(timer);
    return holds;
  }
}
